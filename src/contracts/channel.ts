import type { Address, InboundMessage, OutboundMessage } from "./message.ts";

/** Told to `health` and, if it lasts, to the owner. */
export interface ConnectionState {
  readonly up: boolean;
  /** A sentence, without secrets, when not up. */
  readonly reason?: string | undefined;
}

export interface CommandSpec {
  readonly name: string;
  readonly description: string;
}

/** A live connection to one chat platform. It only translates: no access, splitting, retry or de-duplication here. */
export interface Channel {
  /** Of the rendered text, in UTF-16 units; delivery splits longer replies. */
  readonly maxTextLength: number;
  /** Whether the platform drops a second `send` with the same key. Without it, an unknown fate is labelled. */
  readonly idempotentSend: boolean;
  /** The bot's own name on the platform, once connected: "@mybot". */
  readonly account?: string | undefined;
  /** The platform's markup, so that core can measure before it splits. */
  render(markdown: string): string;
  /**
   * Resolves once connected; rejects when the credentials are refused. Meanwhile, and later, an outage is told
   * through `state` and retried for ever. `receive` resolves once the message is durable, and only then may the
   * channel acknowledge it to its platform; when it rejects, the channel offers the same message again later.
   */
  start(
    receive: (message: InboundMessage) => Promise<void>,
    state: (now: ConnectionState) => void,
  ): Promise<void>;
  /**
   * Returns the platform's id of what was sent. Throws `ChannelError`; its `kind` tells delivery to wait, retry or
   * stop, its `fate` whether the message may have arrived. `key` is stable across retries of one message: pass it
   * as the platform's idempotence key where there is one. At most one file a message.
   */
  send(to: Address, message: OutboundMessage, key: string, signal: AbortSignal): Promise<string>;
  /** Nothing more is received afterwards; safe to call twice. */
  stop(): Promise<void>;
  /** The bytes of an attachment, at most `maxBytes`. Called only after its sender has been admitted. */
  download?(ref: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  showTyping?(at: Address, signal: AbortSignal): Promise<void>;
  /** Replaces text and buttons of a message of ours. Left out where edits notify people (WhatsApp). */
  edit?(
    at: Address,
    messageId: string,
    message: OutboundMessage,
    signal: AbortSignal,
  ): Promise<void>;
  react?(at: Address, messageId: string, emoji: string, signal: AbortSignal): Promise<void>;
  setCommands?(commands: readonly CommandSpec[], signal: AbortSignal): Promise<void>;
}
