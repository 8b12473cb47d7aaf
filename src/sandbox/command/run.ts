import { constants, setPriority } from "node:os";
import { Worker } from "node:worker_threads";
import type { z } from "zod";
import { ToolError } from "../../contracts/errors.ts";
import type { ServerSettings } from "../settings.ts";
import type { inputs } from "../specs.ts";
import { descendants, endAll, memoryInUse, signalAll } from "./descendants.ts";
import { watchDisk } from "./disk-use.ts";
import type { FromThread, ToThread } from "./thread.ts";

type CommandInput = z.infer<typeof inputs.run_command>;

const defaultSeconds = 60;
const maxWaiting = 8;
const watchMs = 200;
/** Between SIGTERM and SIGKILL. */
const graceMs = 2000;
const maxPrintedBytes = 256 * 1024 * 1024;

export interface Commands {
  /** Whether no command is running or waiting. */
  isIdle(): boolean;
  run(input: CommandInput, signal: AbortSignal): Promise<string>;
  /** Ends whatever runs, and the thread that could start more. */
  end(): Promise<void>;
}

export interface CommandJob {
  readonly role: "commands";
  readonly settings: ServerSettings;
}

/** One command at a time, so that at its end every descendant of this process is its own and can be ended. */
export function createCommands(settings: ServerSettings, entry: string): Commands {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  let thread: Promise<Worker> | undefined;

  const startThread = async (): Promise<Worker> => {
    const workerData: CommandJob = { role: "commands", settings };
    const worker = new Worker(entry, { workerData });
    await new Promise<void>((resolve, reject) => {
      worker.once("message", () => resolve());
      worker.once("error", reject);
    });
    worker.unref();
    worker.once("exit", () => (thread = undefined));
    return worker;
  };

  return {
    isIdle: () => waiting === 0,
    async run(input, signal) {
      if (waiting >= maxWaiting) {
        throw new ToolError("Too many commands are waiting. Wait for their results first.");
      }
      waiting += 1;
      const mine = last.then(async () => {
        signal.throwIfAborted();
        thread ??= startThread();
        try {
          return await watch(await thread, settings, input, signal);
        } finally {
          endAll(settings.signalsStayInside);
        }
      });
      last = mine.catch(() => undefined).finally(() => (waiting -= 1));
      return mine;
    },
    async end() {
      endAll(settings.signalsStayInside);
      if (thread === undefined) return;
      await (await thread).terminate();
      endAll(settings.signalsStayInside);
    },
  };
}

async function watch(
  thread: Worker,
  settings: ServerSettings,
  { command, timeout_seconds: seconds = defaultSeconds }: CommandInput,
  signal: AbortSignal,
): Promise<string> {
  const tell = (message: ToThread): void => thread.postMessage(message, []);
  const everybody = settings.signalsStayInside;
  const disk = watchDisk(settings);
  let why: string | undefined;
  let exit: FromThread & { readonly type: "exited" } = { type: "exited", code: null, signal: null };

  const { promise: text, resolve, reject } = Promise.withResolvers<string>();
  const kill = (reason: string): void => {
    why ??= reason;
    endAll(everybody);
  };
  const hear = (message: FromThread): void => {
    switch (message.type) {
      case "started":
        // Ended before it was there to be ended.
        if (why !== undefined) endAll(everybody);
        lower(message.pid);
        break;
      case "printed":
        if (message.bytes > maxPrintedBytes) kill("was ended: it printed too much");
        break;
      case "exited":
        exit = message;
        if (!endAll(everybody)) process.stderr.write("A process of a command would not end.\n");
        tell({ type: "finish", zombies: descendants().map(({ pid }) => pid) });
        break;
      case "failed":
        reject(
          new ToolError(
            `The command could not be started (${message.reason}). EAGAIN: too many processes are running.`,
          ),
        );
        break;
      case "finished":
        resolve(message.text);
        break;
      case "ready":
        break;
    }
  };
  const onAbort = (): void => kill("was stopped");
  const onGone = (): void => reject(new Error("The thread that starts commands ended."));
  const timeUp = setTimeout(() => {
    why = `was ended after ${seconds} s, its time limit`;
    signalAll("SIGTERM");
    tooLate = setTimeout(() => kill(why ?? ""), graceMs);
  }, seconds * 1000);
  let tooLate: NodeJS.Timeout | undefined;
  const watching = setInterval(() => {
    const reason = disk.overLimit();
    if (reason !== undefined) kill(reason);
    else if (memoryInUse() > settings.limits.commandMemoryBytes) {
      kill("was ended: it used too much memory");
    }
  }, watchMs);
  thread.on("message", hear);
  thread.once("exit", onGone);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    tell({ type: "run", command, seconds });
    return describe(await text, exit, why);
  } finally {
    clearTimeout(timeUp);
    clearTimeout(tooLate);
    clearInterval(watching);
    thread.off("message", hear);
    thread.off("exit", onGone);
    signal.removeEventListener("abort", onAbort);
  }
}

function describe(
  text: string,
  { code, signal }: { readonly code: number | null; readonly signal: string | null },
  why: string | undefined,
): string {
  const trimmed = text.replace(/\n+$/, "");
  const body = trimmed === "" ? "" : `${trimmed}\n`;
  if (why !== undefined) return `${body}[the command ${why}]`;
  if (signal !== null) return `${body}[ended by ${signal}]`;
  return `${body}[exit code ${code ?? "unknown"}]`;
}

/** Behind the gateway, where both want the processor. */
function lower(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // it has ended
  }
}
