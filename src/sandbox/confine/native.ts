import { getSystemErrorName } from "node:util";
import { numbers, type SyscallName } from "./syscalls.ts";

/** What a system call takes here: an integer, a path, a buffer whose address is passed, or NULL. */
export type Argument = number | string | Uint8Array | null;

/** Direct system calls on the calling thread. */
export interface Native {
  /** The call's result. Throws a `NativeError` where it fails. */
  call(name: SyscallName, ...args: readonly Argument[]): number;
  /** Where a buffer's bytes lie in memory, for structures with pointers. */
  address(bytes: Uint8Array): bigint;
}

export class NativeError extends Error {
  override readonly name = "NativeError";
  /** "EPERM", "ENOSYS", ... */
  readonly code: string;

  constructor(call: string, code: string) {
    super(`The system call ${call} failed with ${code}.`);
    this.code = code;
  }
}

/**
 * Loads koffi, which takes some 10 ms. Calls go through libc's `syscall`, so they act on the calling thread alone:
 * what is to hold for a process is done before `execve`.
 */
export async function openNative(): Promise<Native> {
  const table = numbers();
  const { default: koffi } = await import("koffi");
  const libc = koffi.load(null);
  const prototypes = new Map<string, (...args: readonly unknown[]) => number | bigint>();
  return {
    address: (bytes) => koffi.address(bytes),
    call(name, ...args) {
      const number = table[name];
      if (number === undefined) throw new NativeError(name, "ENOSYS");
      const types = args.map(typeOf).join(", ");
      let invoke = prototypes.get(types);
      if (invoke === undefined) {
        const list = types === "" ? "" : `, ${types}`;
        invoke = libc.func(`long syscall(long number${list})`) as typeof invoke & object;
        prototypes.set(types, invoke);
      }
      const result = Number(invoke(number, ...args));
      if (result < 0) throw new NativeError(name, getSystemErrorName(-koffi.errno()));
      return result;
    },
  };
}

function typeOf(argument: Argument): string {
  if (typeof argument === "number") return "long";
  return typeof argument === "string" ? "const char *" : "const void *";
}
