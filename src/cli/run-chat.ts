/** A chat in this terminal: the whole gateway, with the terminal as its only channel and its user as the owner. */
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs";
import { basename, join, parse } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { terminalAddress } from "../channels/terminal/identity.ts";
import { type LoadedConfig, parseConfig } from "../config/load.ts";
import type { Store } from "../contracts/store.ts";
import { createLog } from "../lib/log.ts";
import { createRedactor } from "../lib/redact.ts";
import { type App, openApp } from "../main.ts";
import { kinds } from "./kinds.ts";
import { tell } from "./output.ts";
import { untilSignal } from "./signals.ts";
import { openLockedState } from "./state.ts";
import { prepareWorkspace } from "./workspace.ts";
import type { TryChat } from "./try.ts";

const interrupted = 130;

export interface ChatPlaces {
  readonly state: string;
  readonly workspace: string;
}

/** Talks on the standard streams until the input ends. Returns the exit code. */
export async function runChat(loaded: LoadedConfig, places: ChatPlaces): Promise<number> {
  const { createTerminal, processTerminal } =
    await import("../channels/terminal/create-terminal.ts");
  const signal = untilSignal();
  const streams = processTerminal();
  const terminal = createTerminal({
    ...streams,
    saveFile: (name, data) => saveFile(join(places.state, "files"), name, data),
  });
  prepareWorkspace(places.workspace);
  const state = await openLockedState(places.state);
  const redactor = createRedactor(loaded.secretValues);
  const { level } = loaded.config.log;
  // Log lines between the words of a conversation would be in the way.
  const logFile = join(places.state, "chat.log");
  const log = streams.interactive
    ? createLog({ level, redactor, destination: createWriteStream(logFile, { mode: 0o600 }) })
    : createLog({ level, redactor });
  let app: App | undefined;
  try {
    app = await openApp({
      config: loaded.config,
      store: state.store,
      workspace: places.workspace,
      log,
      onRefused() {},
      terminal: { name: terminalAddress.channel, channel: terminal },
    });
    const { runsCommands, explanation } = await app.sandbox.confinement();
    if (!runsCommands) tell(explanation);
    if (streams.interactive) tell(`/help shows the commands, Ctrl+D leaves. Log: ${logFile}`);
    app.start();
    const stopped = Promise.withResolvers<"interrupted">();
    signal.addEventListener("abort", () => stopped.resolve("interrupted"));
    const ending = await Promise.race([terminal.finished, stopped.promise]);
    if (ending === "interrupted") return leave(state.store);
    if (streams.interactive && isBusy(state.store)) {
      tell("Waiting for the last answer; Ctrl+C leaves at once.");
    }
    await untilSaid(state.store, AbortSignal.any([signal, terminal.unread]));
    return signal.aborted ? leave(state.store) : 0;
  } finally {
    await app?.stop();
    state.close();
  }
}

function leave(store: Store): number {
  if (isBusy(store)) tell("What is unfinished goes on with the next start.");
  return interrupted;
}

/** The input has ended, and perhaps not all of the last answer has been printed. */
async function untilSaid(store: Store, signal: AbortSignal): Promise<void> {
  while (isBusy(store) && !signal.aborted) await delay(20);
}

function isBusy(store: Store): boolean {
  return (
    store.inbox.waitingAt(terminalAddress) > 0 || store.outbox.next(terminalAddress) !== undefined
  );
}

/** Never over another file: the second of a name becomes `name-2.md`. */
function saveFile(folder: string, name: string, data: Uint8Array): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { name: stem, ext } = parse(basename(name));
  for (let count = 1; ; count += 1) {
    const file = join(folder, `${stem}${count === 1 ? "" : `-${count}`}${ext}`);
    try {
      writeFileSync(file, data, { flag: "wx", mode: 0o600 });
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** `try`: the same with a configuration that no file holds. */
export async function runTryChat({ config, state, workspace }: TryChat): Promise<number> {
  const file = join(state, "config.json");
  const loaded = parseConfig(file, JSON.stringify(config), { kinds, env: process.env });
  return await runChat(loaded, { state, workspace });
}
