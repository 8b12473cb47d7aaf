import koffi from "koffi";

/** From fcntl(2). */
const setDescriptorFlags = 2;

/**
 * `execv` with our environment; argv[0] is the file itself. Only a failure returns, as an error. Node 24 has
 * `process.execve`; this one also works on Node 20.
 */
export function replaceProcess(file: string, args: readonly string[]): void {
  const libc = koffi.load(null);
  const fcntl = libc.func("int fcntl(int descriptor, int command, ...)");
  const execv = libc.func("int execv(const char *file, const char **arguments)");
  // Node marks all its descriptors close-on-exec, the standard streams too.
  for (const stream of [0, 1, 2]) fcntl(stream, setDescriptorFlags, "int", 0);
  execv(file, [file, ...args, null]);
  throw new Error(`${file} could not be executed (errno ${koffi.errno()}).`);
}
