import { randomUUID } from "node:crypto";
import type { Readable, Writable } from "node:stream";
import type { WriteStream } from "node:tty";
import type { Channel } from "../../contracts/channel.ts";
import { ChannelError } from "../../contracts/errors.ts";
import type { Address, Button, InboundMessage, OutboundMessage } from "../../contracts/message.ts";
import { errorText } from "../../lib/error-text.ts";
import { harmless } from "../../lib/markdown/harmless.ts";
import { toAnsiText, toPlainText } from "../../lib/markdown/plain.ts";
import { offer } from "../offer.ts";
import { readLines } from "./read-lines.ts";
import { openScreen } from "./screen.ts";
import { terminalAddress, terminalSender } from "./identity.ts";
import { wrapText } from "./wrap-text.ts";

export interface TerminalOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** Both ends are a terminal: a prompt, a typing hint, several messages at a time. Otherwise a pipe. */
  readonly interactive: boolean;
  /** Escape sequences that move the cursor are understood: line editing, and a hint that goes away. */
  readonly cursor: boolean;
  readonly color: boolean;
  /** The one message to send, as it is, instead of reading the input: for `ask`. Not interactive then. */
  readonly question?: string | undefined;
  /** Keeps a file for the person and returns where; without it, files are only named. */
  readonly saveFile?: ((name: string, data: Uint8Array) => string) | undefined;
}

export interface Terminal extends Channel {
  /** The end of the input, once every message from a pipe has been answered; "interrupted" by Ctrl+C. */
  readonly finished: Promise<"ended" | "interrupted">;
  /** Aborted once nobody reads the output any more, so that no answer can be printed. */
  readonly unread: AbortSignal;
  /** Says that the last message from a pipe will get no (further) answer, so that the next one is offered. */
  answered(): void;
}

/** This process' own terminal, as NO_COLOR (no-color.org) and TERM=dumb have it. */
export function processTerminal(): TerminalOptions {
  const { stdin: input, stdout: output, env } = process;
  const interactive = input.isTTY && output.isTTY;
  const cursor = interactive && env["TERM"] !== "dumb";
  return { input, output, interactive, cursor, color: cursor && (env["NO_COLOR"] ?? "") === "" };
}

const maxTextLength = 32_000;

export function createTerminal(options: TerminalOptions): Terminal {
  const { input, output, color, question } = options;
  const interactive = options.interactive && question === undefined;
  const stopped = new AbortController();
  const end = Promise.withResolvers<"ended" | "interrupted">();
  const screen = openScreen({ ...options, interactive });
  const over = AbortSignal.any([stopped.signal, screen.unread]);
  over.addEventListener("abort", () => release?.());
  let buttons: readonly Button[] = [];
  let buttonsOf = "";
  let reading: Promise<void> | undefined;
  /** Resolves the wait of the message from a pipe that is being answered. */
  let release: (() => void) | undefined;

  function toMessage(line: string): InboundMessage {
    const button = /^\d{1,3}$/.test(line.trim()) ? buttons[Number(line) - 1] : undefined;
    const press = button && { button: button.id, messageId: buttonsOf };
    if (press !== undefined) buttons = [];
    return {
      id: randomUUID(), // also after a restart no two are the same
      version: 0,
      address: terminalAddress,
      sender: terminalSender,
      sentAt: new Date(),
      text: press === undefined ? line : "",
      attachments: [],
      forwarded: false,
      press,
      addressedToBot: true,
      isPrivate: true,
    };
  }

  function spoken(): AsyncIterable<string> {
    return interactive ? screen.lines(over) : readLines(input, over);
  }

  async function read(receive: (message: InboundMessage) => Promise<void>): Promise<void> {
    const lines = question === undefined ? spoken() : [question];
    let isTold = false;
    for await (const line of lines) {
      if (line.trim() === "") continue;
      const done = Promise.withResolvers<void>();
      release = done.resolve;
      const isAccepted = await offer(receive, toMessage(line), over, () => {
        if (!isTold) screen.notice("Your message cannot be stored just now; it is tried again.");
        isTold = true;
      });
      isTold = false;
      if (!isAccepted) break;
      // From a pipe one at a time: what follows often builds on the answer.
      if (!interactive) await done.promise;
    }
    end.resolve(screen.interrupted ? "interrupted" : "ended");
  }

  async function send(
    _to: Address,
    message: OutboundMessage,
    _key: string,
    signal: AbortSignal,
  ): Promise<string> {
    const files = message.files ?? [];
    const given = message.buttons ?? [];
    const isEmpty = message.text.trim() === "" && files.length === 0 && given.length === 0;
    if (isEmpty || files.length > 1) {
      const reason = isEmpty ? "A message says something." : "A message carries one file at most.";
      throw new ChannelError(reason, { kind: "rejected", fate: "not-sent" });
    }
    if (signal.aborted) {
      const options = { kind: "timed-out", fate: "not-sent" } as const;
      throw new ChannelError("Stopped before it was printed.", options);
    }
    const id = randomUUID();
    const lines = [
      ...(message.text.trim() === "" ? [] : [wrapText(render(message.text), columns())]),
      ...files.map(({ name, data }) => fileLine(harmlessLine(name), data)),
      ...given.map(({ label }, index) => `  [${index + 1}] ${harmlessLine(label)}`),
      ...(given.length > 0 ? ["Type a number to choose."] : []),
    ];
    await screen.print(lines.join("\n"));
    if (given.length > 0) {
      buttons = given;
      buttonsOf = id;
    }
    release?.();
    return id;
  }

  function fileLine(name: string, data: Uint8Array): string {
    const what = `[file ${name}, ${data.length} bytes`;
    if (options.saveFile === undefined) return `${what}]`;
    try {
      return `${what}: ${harmlessLine(options.saveFile(name, data))}]`;
    } catch (error) {
      return `${what}: it could not be saved, ${errorText(error)}]`;
    }
  }

  /** As wide as the window is now. */
  function columns(): number | undefined {
    return interactive ? (output as Partial<WriteStream>).columns : undefined;
  }

  const render = color ? toAnsiText : toPlainText;

  return {
    maxTextLength,
    idempotentSend: false,
    render,
    finished: end.promise,
    unread: screen.unread,
    answered: () => release?.(),

    async start(receive, state) {
      state({ up: true });
      reading = read(receive);
      reading.catch((error: unknown) => end.reject(error));
      end.promise.catch(() => undefined); // told to whoever waits for it; nobody may
    },

    send,

    async stop() {
      stopped.abort();
      release?.();
      screen.close();
      await reading?.catch(() => undefined); // told through `finished`
      end.resolve(screen.interrupted ? "interrupted" : "ended");
    },

    async showTyping() {
      screen.showTyping();
    },
  };
}

function harmlessLine(text: string): string {
  return harmless(text).replaceAll("\n", " ");
}
