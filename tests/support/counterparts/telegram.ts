import { join } from "node:path";
import type { GateRule, Reached, Verdict } from "./gates.ts";
import { startCounterpart } from "./remote.ts";
import type { Counterpart } from "./remote.ts";

/** Where a request can be held, dropped or told. The text matched is the user's message, or the visible reply. */
export type TelegramPoint =
  | "update to be delivered"
  | "update delivered"
  | "offset moved"
  | "chat action"
  /** Before the message is in the chat: dropped here, it was never sent. */
  | "sendMessage received"
  /** In the chat, not yet answered: dropped here, the bot cannot know that it was sent. */
  | "sendMessage recorded"
  | "sendMessage answered";

/** A message from a person. Files come with it, as Telegram has it, the text is then their caption. */
export interface Incoming {
  readonly from: number;
  /** The group; default: the private chat with `from`. */
  readonly chat?: number;
  readonly name?: string;
  readonly text?: string;
  readonly thread?: number;
  /** Id of a message of the same chat. */
  readonly replyTo?: number;
  readonly forwarded?: boolean;
  readonly document?: {
    readonly name: string;
    readonly mediaType: string;
    readonly data: Uint8Array;
  };
  /** A PNG. */
  readonly photo?: Uint8Array;
}

/** A message of the bot, as the chat's members see it now. */
export interface BotMessage {
  readonly seq: number;
  readonly atMs: number;
  readonly chat: number;
  readonly id: number;
  text: string;
  readonly thread: number | undefined;
  readonly replyTo: number | undefined;
  buttons: readonly { readonly label: string; readonly data: string }[];
  edits: number;
  deleted: boolean;
  readonly file?: { readonly name: string; readonly data: Uint8Array } | undefined;
}

export interface Call {
  readonly seq: number;
  readonly atMs: number;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  outcome: "open" | "answered" | "refused" | "dropped";
  answeredAtMs?: number;
  refusal?: string;
  /** Of getUpdates: the update ids of the response. */
  delivered?: readonly number[];
}

export interface Fault {
  readonly method: string;
  /** Only calls whose parameters (as JSON) contain this. */
  readonly match?: string;
  readonly kind: "too many requests" | "server error" | "refused" | "reset" | "slow" | "silence";
  /** "after": the call is carried out and then fails, so that the bot cannot know. Default "before". */
  readonly when?: "before" | "after";
  readonly times?: number;
  readonly retryAfterSeconds?: number;
  readonly slowMs?: number;
}

export type TelegramEvent =
  | Reached<TelegramPoint>
  | { readonly type: "called"; readonly method: string; readonly seq: number }
  | { readonly type: "confirmed"; readonly updateId: number; readonly text: string }
  | { readonly type: "sent"; readonly chat: number; readonly text: string };

/** What a test can ask of the counterpart. (A type: see `Commands`.) */
export type TelegramControl = {
  listen(port: number): Promise<number>;
  inject(incoming: Incoming): {
    readonly id: number;
    readonly updateId: number;
    readonly atMs: number;
  };
  injectMany(
    all: readonly Incoming[],
  ): readonly { readonly id: number; readonly updateId: number; readonly atMs: number }[];
  edit(chat: number, id: number, text: string): void;
  press(chat: number, id: number, data: string, from: number): void;
  arm(rule: GateRule<TelegramPoint>): number;
  release(id: number, verdict: Verdict): void;
  releaseAll(verdict: Verdict): void;
  fault(fault: Fault): void;
  clearFaults(): void;
  messages(chat?: number): readonly BotMessage[];
  calls(method?: string): readonly Call[];
  countCalls(method: string): number;
  commands(): Readonly<Record<string, unknown>>;
  queue(): { readonly waiting: number; readonly confirmedUpTo: number };
  forgetCalls(): void;
  /** While guarded, a process is killed if the test's own process dies without having cleaned up. */
  guard(pid: number, on: boolean): void;
  /** What fits, once there are `count` (default 1) or the time is over: look at what came back. */
  waitForMessages(wanted: {
    readonly chat?: number;
    readonly includes?: string;
    readonly count?: number;
    readonly timeoutMs: number;
  }): Promise<readonly BotMessage[]>;
};

export interface Telegram extends Counterpart<TelegramControl, TelegramEvent> {
  readonly port: number;
  readonly apiRoot: string;
  readonly token: string;
  readonly botName: string;
}

/** Starts Telegram's stand-in on loopback, in its own process. */
export async function startTelegram(): Promise<Telegram> {
  const counterpart = await startCounterpart<TelegramControl, TelegramEvent>(
    join(import.meta.dirname, "telegram-server.ts"),
  );
  const port = await counterpart.remote.listen(0);
  return {
    ...counterpart,
    port,
    apiRoot: `http://127.0.0.1:${port}`,
    token: "123456:TEST",
    botName: "@barnacle_test_bot",
  };
}
