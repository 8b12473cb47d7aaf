/**
 * The thread that starts commands. It puts a narrower domain and filter on itself alone, which its children inherit:
 * they reach neither the server's memory nor, by signal, its process, while the server can watch and end them.
 */
import { spawn } from "node:child_process";
import type { MessagePort } from "node:worker_threads";
import { forCommands, forEveryone, installFilter } from "../confine/filter.ts";
import { restrict } from "../confine/landlock.ts";
import { type Native, NativeError, openNative } from "../confine/native.ts";
import type { ServerSettings } from "../settings.ts";
import { Output } from "./output.ts";

export type ToThread =
  | { readonly type: "run"; readonly command: string; readonly seconds: number }
  /** All have been killed: collect them, and tell what was printed. */
  | { readonly type: "finish"; readonly zombies: readonly number[] };

export type FromThread =
  | { readonly type: "ready" }
  | { readonly type: "started"; readonly pid: number }
  | { readonly type: "printed"; readonly bytes: number }
  | { readonly type: "exited"; readonly code: number | null; readonly signal: string | null }
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "finished"; readonly text: string };

/** Printed bytes between two reports. */
const reportEveryBytes = 4 * 1024 * 1024;
const closeMs = 1000;
const waitFlag = { noHang: 1, all: 0x40000000 };

/** stderr goes where stdout goes; limits on data (KB) and CPU (s) hold for each process. */
const prelude = 'exec 2>&1; ulimit -d "$2"; ulimit -t "$3"; umask 022; exec /bin/bash -c "$1"';

export async function commandThread(settings: ServerSettings, port: MessagePort): Promise<void> {
  const native = await openNative();
  const threads = { pid: process.pid, tid: native.call("gettid") };
  const abi = settings.landlock?.abi ?? 0;
  if (settings.landlock !== undefined) {
    restrict(native, settings.landlock.grants, settings.landlock.abi);
  }
  installFilter(native, [...forEveryone, ...forCommands(threads, settings.signalWall, abi)]);
  const tell = (message: FromThread): void => port.postMessage(message);
  let finish: ((zombies: readonly number[]) => void) | undefined;
  port.on("message", (message: ToThread) => {
    if (message.type === "run") finish = start(native, settings, message, tell);
    else finish?.(message.zombies);
  });
  tell({ type: "ready" });
}

function start(
  native: Native,
  { home, limits }: ServerSettings,
  { command, seconds }: ToThread & { readonly type: "run" },
  tell: (message: FromThread) => void,
): (zombies: readonly number[]) => void {
  const output = new Output(limits.outputBytes);
  const kilobytes = String(Math.ceil(limits.commandMemoryBytes / 1024));
  const child = spawn(
    "/bin/bash",
    ["-c", prelude, "bash", command, kilobytes, String(seconds * 2 + 5)],
    { cwd: home, stdio: ["ignore", "pipe", "ignore"], detached: true },
  );
  let isOver = false;
  let reported = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    output.add(chunk);
    if (output.total - reported < reportEveryBytes) return;
    reported = output.total;
    tell({ type: "printed", bytes: reported });
  });
  child.once("error", (error) => {
    isOver = true;
    tell({ type: "failed", reason: error.message });
  });
  child.once("exit", (code, signal) => tell({ type: "exited", code, signal }));
  if (child.pid !== undefined) tell({ type: "started", pid: child.pid });

  const end = (): void => {
    if (isOver) return;
    isOver = true;
    child.stdout.destroy();
    tell({ type: "finished", text: output.text() });
  };
  return (zombies) => {
    for (const pid of zombies) if (pid !== child.pid) collect(native, pid);
    // What stands in the pipe is read to its end, which comes at once, since nobody is left to hold it open.
    if (child.stdout.readableEnded) end();
    else child.stdout.once("close", end);
    setTimeout(end, closeMs).unref();
  };
}

function collect(native: Native, pid: number): void {
  try {
    native.call("wait4", pid, null, waitFlag.noHang | waitFlag.all, null);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error; // ECHILD: not ours, or collected
  }
}
