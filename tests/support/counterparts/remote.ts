import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";

/**
 * A counterpart runs in its own process, so that it outlives the gateway and so that its work is not counted with the
 * test's. Parent and child speak over the IPC channel: calls one way, their results and events the other way.
 */

type Command = (...args: never[]) => unknown;
/** What a counterpart offers its test. (A type, not an interface, so that commands can be looked up by name.) */
export type Commands = Record<string, Command>;

/** The parent's view of a child's commands: the same functions, each answering later. */
export type Remote<Control> = {
  readonly [Name in keyof Control]: Control[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

interface CallMessage {
  readonly call: number;
  readonly name: string;
  readonly args: never[];
}
type ChildMessage =
  | { readonly answer: number; readonly value?: unknown; readonly error?: string }
  | { readonly event: unknown };

/** In the child: answers the parent's calls. Ends with its parent, whatever happened to it. Returns the event sender. */
export function serveParent(commands: Commands): (event: unknown) => void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message: CallMessage) => {
    void answer(commands, message);
  });
  return (event) => tell({ event });
}

async function answer(commands: Commands, { call, name, args }: CallMessage): Promise<void> {
  try {
    const command = commands[name];
    if (command === undefined) throw new Error(`The counterpart has no command "${name}".`);
    tell({ answer: call, value: await command(...args) });
  } catch (error) {
    tell({ answer: call, error: error instanceof Error ? error.message : String(error) });
  }
}

function tell(message: ChildMessage): void {
  if (process.connected) process.send?.(message);
}

export interface Counterpart<Control, Event> {
  readonly remote: Remote<Control>;
  readonly pid: number;
  /** Calls back for each event of the child; returns how to stop that. */
  onEvent(listener: (event: Event) => void): () => void;
  /** The first event from now on that fits. Rejects after `timeoutMs`. */
  nextEvent(fits: (event: Event) => boolean, timeoutMs: number, what: string): Promise<Event>;
  stop(): Promise<void>;
}

/** In the parent: starts the counterpart in `file` and waits until its `listen` command has answered. */
export async function startCounterpart<Control extends Commands, Event>(
  file: string,
): Promise<Counterpart<Control, Event>> {
  const child = fork(file, {
    serialization: "advanced",
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const waiting = new Map<number, (message: Extract<ChildMessage, { answer: number }>) => void>();
  const listeners = new Set<(event: Event) => void>();
  let calls = 0;

  child.on("message", (message: ChildMessage) => {
    if ("answer" in message) {
      waiting.get(message.answer)?.(message);
      waiting.delete(message.answer);
    } else {
      for (const listener of listeners) listener(message.event as Event);
    }
  });
  const gone = `The counterpart ${file} is not running.`;
  child.on("exit", () => {
    for (const [id, settle] of waiting) settle({ answer: id, error: gone });
    waiting.clear();
  });

  const callChild = async (name: string, args: unknown[]): Promise<unknown> => {
    if (!child.connected) throw new Error(gone);
    calls += 1;
    const call = calls;
    return await new Promise((resolve, reject) => {
      waiting.set(call, ({ value, error }) =>
        error === undefined ? resolve(value) : reject(new Error(error)),
      );
      child.send({ call, name, args });
    });
  };
  const remote = new Proxy({} as Remote<Control>, {
    get: (_target, name) =>
      name === "then" || typeof name === "symbol"
        ? undefined
        : async (...args: unknown[]) => await callChild(name, args),
  });
  const onEvent = (listener: (event: Event) => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };

  return {
    remote,
    pid: child.pid ?? 0,
    onEvent,
    async nextEvent(fits, timeoutMs, what) {
      return await new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          unlisten();
          reject(new Error(`Waited ${timeoutMs} ms in vain: ${what}.`));
        }, timeoutMs);
        const unlisten = onEvent((event) => {
          if (!fits(event)) return;
          clearTimeout(timer);
          unlisten();
          resolve(event);
        });
      });
    },
    stop: async () => await endChild(child),
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill("SIGKILL");
  });
}

/** Milliseconds of the clock that all processes of one machine share, so that their journals can be compared. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
