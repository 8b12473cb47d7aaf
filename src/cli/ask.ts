import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { terminalAddress, terminalSender } from "../channels/terminal/identity.ts";
import { loadConfig } from "../config/load.ts";
import type { Channel } from "../contracts/channel.ts";
import type { InboundMessage } from "../contracts/message.ts";
import type { Store } from "../contracts/store.ts";
import { harmless } from "../lib/markdown/harmless.ts";
import { createLog } from "../lib/log.ts";
import { createRedactor } from "../lib/redact.ts";
import { type App, openApp } from "../main.ts";
import { kinds } from "./kinds.ts";
import { exitCodes, guarded, print } from "./output.ts";
import { type Paths, pathsOf } from "./paths.ts";
import { untilSignal } from "./signals.ts";
import { openLockedState } from "./state.ts";
import { prepareWorkspace } from "./workspace.ts";

interface Flags {
  readonly json?: boolean;
}

interface Result {
  readonly text: string;
  readonly outcome: "answered" | "failed" | "interrupted";
}

/** `ask`: one message, one answer. */
export function askCommand(): Command {
  return new Command("ask")
    .description("Ask one question and print the answer")
    .argument("<question>", "the message; - reads it from stdin")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Goes on with the conversation of "barnacle chat"; ask "/new" to start afresh.
Exits 0 when the bot answered, 1 when it explained why it could not.

Examples:
  barnacle ask "what is in my notes?"
  git diff | barnacle ask -
`,
    )
    .action(async (question: string, flags: Flags, command: Command) => {
      const json = flags.json === true;
      await guarded(json, async () => {
        const text = question === "-" ? await readAll() : question;
        const { text: answer, outcome } = await ask(text.trim(), pathsOf(command));
        print({ outcome, answer }, harmless(answer), json);
        if (outcome !== "answered") process.exitCode = exitCodes.unexpected;
      });
    });
}

async function ask(text: string, paths: Paths): Promise<Result> {
  const signal = untilSignal();
  const { config, secretValues } = loadConfig(paths.config, { kinds, env: process.env });
  const log = createLog({ level: config.log.level, redactor: createRedactor(secretValues) });
  prepareWorkspace(paths.workspace);
  const state = await openLockedState(paths.state);
  const message = messageOf(text);
  const said: string[] = [];
  const channel = createAskChannel(message, said);
  const refused = Promise.withResolvers<never>();
  refused.promise.catch(() => undefined); // may come before anybody waits for it
  let app: App | undefined;
  try {
    app = await openApp({
      config,
      store: state.store,
      workspace: paths.workspace,
      log,
      onRefused: (_, error) => refused.reject(error),
      terminal: { name: terminalAddress.channel, channel },
    });
    app.start();
    const outcome = await Promise.race([
      untilSettled(state.store, message, signal),
      refused.promise,
    ]);
    return { text: said.join("\n\n"), outcome };
  } finally {
    await app?.stop();
    state.close();
  }
}

function messageOf(text: string): InboundMessage {
  return {
    id: randomUUID(),
    version: 0,
    address: terminalAddress,
    sender: terminalSender,
    sentAt: new Date(),
    text,
    attachments: [],
    forwarded: false,
    addressedToBot: true,
    isPrivate: true,
  };
}

/** Says one message and keeps what is said back. */
function createAskChannel(message: InboundMessage, said: string[]): Channel {
  return {
    maxTextLength: Number.MAX_SAFE_INTEGER,
    idempotentSend: false,
    render: (markdown) => markdown,
    async start(receive, state) {
      state({ up: true });
      await receive(message);
    },
    async send(_to, { text, files }) {
      said.push(
        [text, ...(files ?? []).map(({ data }) => new TextDecoder().decode(data))].join(""),
      );
      return randomUUID();
    },
    async stop() {},
  };
}

const lookAgainMs = 20;

/** Until the message has its outcome and everything about it was said. */
async function untilSettled(
  store: Store,
  message: InboundMessage,
  signal: AbortSignal,
): Promise<Result["outcome"]> {
  while (!signal.aborted) {
    const state = store.inbox.find(message)?.state;
    const isSettled = state === "answered" || state === "failed";
    if (isSettled && store.outbox.next(message.address) === undefined) return state;
    await delay(lookAgainMs);
  }
  return "interrupted";
}

async function readAll(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
