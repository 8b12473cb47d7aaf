/** A chat in this terminal: the whole gateway, with the terminal as its only channel and its user as the owner. */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { terminalAddress } from "../channels/terminal/identity.ts";
import { type LoadedConfig, parseConfig } from "../config/load.ts";
import type { Store } from "../contracts/store.ts";
import { createLog } from "../lib/log.ts";
import { createRedactor } from "../lib/redact.ts";
import { type App, openApp } from "../main.ts";
import { kinds } from "./kinds.ts";
import { untilSignal } from "./signals.ts";
import { openLockedState } from "./state.ts";
import { prepareWorkspace } from "./workspace.ts";
import type { TryChat } from "./try.ts";

const interrupted = 130;
/** As the shell tells of a program that wrote into a closed pipe. */
const nobodyReads = 141;

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
  const terminal = createTerminal(streams);
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
    const unread = new AbortController();
    streams.output.on("error", () => unread.abort());
    const over = AbortSignal.any([signal, unread.signal]);
    const stopped = Promise.withResolvers<"interrupted">();
    over.addEventListener("abort", () => stopped.resolve("interrupted"));
    const ending = await Promise.race([terminal.finished, stopped.promise]);
    if (ending !== "interrupted") await untilSaid(state.store, over);
    if (unread.signal.aborted) return nobodyReads;
    return ending === "interrupted" ? interrupted : 0;
  } finally {
    await app?.stop();
    state.close();
  }
}

/** The input has ended, and perhaps not all of the last answer has been printed. */
async function untilSaid(store: Store, signal: AbortSignal): Promise<void> {
  const isBusy = (): boolean =>
    store.inbox.waitingAt(terminalAddress) > 0 || store.outbox.next(terminalAddress) !== undefined;
  while (isBusy() && !signal.aborted) await delay(20);
}

/** `try`: the same with a configuration that no file holds. */
export async function runTryChat({ config, state, workspace }: TryChat): Promise<number> {
  const file = join(state, "config.json");
  const loaded = parseConfig(file, JSON.stringify(config), { kinds, env: process.env });
  return await runChat(loaded, { state, workspace });
}

function tell(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}
