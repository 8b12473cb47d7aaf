import type { Address, InboundMessage, OutboundMessage } from "./message.ts";
import type { ToolCall, Turn, Usage } from "./model.ts";
import type { Effect } from "./tool.ts";

/**
 * Where a message stands. `waiting` and `running` are to be done, `held` waits for the owner's word on its sender,
 * the rest is settled: answered, explained as failed (a dead letter), decided to be left silent, or replaced by
 * its own edit.
 */
export type InboxState =
  | "waiting"
  | "running"
  | "held"
  | "answered"
  | "failed"
  | "ignored"
  | "replaced";

export interface InboxRow {
  /** The order of acceptance, unique in the whole state. */
  readonly seq: number;
  readonly message: InboundMessage;
  readonly state: InboxState;
  /** Tries in a row that got no further. */
  readonly attempts: number;
  /** Epoch ms before which it is not tried again. */
  readonly notBefore: number;
  readonly error: string | undefined;
}

export interface Inbox {
  /** Durable when it returns. Undefined for a message (or an edit) accepted before, or an edit that changes nothing. */
  accept(message: InboundMessage, state: InboxState): InboxRow | undefined;
  get(seq: number): InboxRow | undefined;
  /** By address, id and version. */
  find(message: InboundMessage): InboxRow | undefined;
  /** The oldest `waiting` message of each address, oldest first, whether due or not. */
  heads(): readonly InboxRow[];
  waitingAt(address: Address): number;
  /** Takes a waiting message up: `running`, one attempt more. */
  claim(seq: number): InboxRow;
  /** A claimed message goes back to wait. */
  postpone(seq: number, notBefore: number, error: string): void;
  /** Gives a claim back as if it had not been made: the gateway is stopping. */
  unclaim(seq: number): void;
  settle(seq: number, outcome: "answered" | "failed" | "ignored", error?: string): void;
  /** What a killed process left `running` waits again. Returns how many. */
  recover(): number;
  /** A held message of this person may be answered. */
  release(channel: string, senderId: string, outcome: "waiting" | "ignored"): void;
  failed(limit: number): readonly InboxRow[];
  /** A dead letter waits again, with fresh attempts. False if it is none. */
  retry(seq: number): boolean;
  counts(): Readonly<Record<InboxState, number>>;
}

export interface OutboxRow {
  readonly key: string;
  readonly seq: number;
  readonly address: Address;
  readonly message: OutboundMessage;
  readonly attempts: number;
  readonly notBefore: number;
  /** It may have arrived already: a send was begun and its outcome never recorded. */
  readonly uncertain: boolean;
  readonly createdAt: number;
  /** The inbox message that it belongs to. */
  readonly inReplyTo: number | undefined;
}

export interface Outbox {
  /** Returns the key. */
  add(to: Address, message: OutboundMessage, inReplyTo: number | undefined): string;
  /** Addresses that have something to send. */
  addresses(): readonly Address[];
  /** The oldest unsent message of an address. */
  next(at: Address): OutboxRow | undefined;
  /** Recorded before the platform is called, so that a crash in between is known. */
  sending(key: string): void;
  sent(key: string, platformId: string): void;
  /** Not sent, or perhaps sent (`uncertain`): tried again from `notBefore` on. */
  postpone(key: string, notBefore: number, error: string, uncertain: boolean): void;
  failed(key: string, error: string): void;
  /** What a killed process left in sending is uncertain. Returns how many. */
  recover(): number;
  pending(): number;
}

/** A turn as it stands in the history. */
export interface HistoryRow {
  readonly seq: number;
  /** The inbox message that this row belongs to. */
  readonly inboxSeq: number;
  readonly turn: Turn;
  /** Estimated when it was appended. */
  readonly tokens: number;
  readonly createdAt: number;
}

/** What the model sees of a conversation: the rows since `/new`, the older ones replaced by a summary. */
export interface HistoryView {
  readonly summary: { readonly text: string; readonly tokens: number } | undefined;
  readonly rows: readonly HistoryRow[];
}

export interface HistoryHit {
  readonly seq: number;
  readonly role: string;
  readonly snippet: string;
  readonly createdAt: number;
}

/** Append-only: compaction adds a summary row, `/new` a mark; nothing is ever rewritten. */
export interface History {
  /** With the newest pictures; the older ones are named, not shown. */
  view(at: Address): HistoryView;
  /** Rows of one message's turn: what a restart resumes from. */
  ofMessage(inboxSeq: number): readonly HistoryRow[];
  append(at: Address, inboxSeq: number, turn: Turn, tokens: number): HistoryRow;
  summarise(at: Address, upToSeq: number, text: string, tokens: number): void;
  /** The model sees nothing before this mark. */
  startAnew(at: Address, inboxSeq: number): void;
  /** Everything, oldest first, for export; pictures without their bytes. */
  all(at: Address): readonly HistoryRow[];
  search(at: Address, words: string, limit: number): readonly HistoryHit[];
  sessions(): readonly {
    readonly address: Address;
    readonly turns: number;
    readonly lastAt: number;
  }[];
}

/** Tool calls, recorded before they run and after; the identity is the history row of the assistant turn and the call id. */
export interface Calls {
  begin(historySeq: number, call: ToolCall, at: Address, effect: Effect | "unknown"): void;
  end(historySeq: number, callId: string, failed: boolean): void;
  /** Begun and never ended: its process died. */
  isInterrupted(historySeq: number, callId: string): boolean;
}

export type Standing = "owner" | "allowed" | "blocked" | "asked" | "stranger";

export interface Person {
  readonly number: number;
  readonly channel: string;
  readonly id: string;
  readonly name: string;
  readonly standing: Standing;
  /** The private chat last seen, where the owner can be told things. */
  readonly chat: string | undefined;
  /** Epoch ms of the last line that a stranger got. */
  readonly toldAt: number;
  readonly since: number;
}

export interface People {
  find(channel: string, id: string): Person | undefined;
  byNumber(number: number): Person | undefined;
  list(): readonly Person[];
  /** Adds or changes. */
  put(person: {
    readonly channel: string;
    readonly id: string;
    readonly name: string;
    readonly standing: Standing;
  }): Person;
  sawChat(channel: string, id: string, chat: string): void;
  told(channel: string, id: string): void;
  /** Strangers and askers are bounded; this counts them. */
  countUnknown(): number;
  /** Everything about a person: standing, messages, history of the private chat. Returns the rows removed. */
  erase(channel: string, id: string): number;
  /** The one-time code that makes its sender the owner, if one is out. */
  ownershipCode(): string | undefined;
  setOwnershipCode(code: string | undefined): void;
}

export interface UsageEntry {
  readonly at: Address;
  readonly sender: string;
  readonly model: string;
}

export interface Spent {
  readonly tokens: number;
  readonly usd: number;
}

export interface UsageTotals extends Spent {
  readonly model: string;
  readonly calls: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
}

/** Money and tokens. A reservation counts as spent until it is settled; one whose process died stays at its estimate. */
export interface UsageLog {
  reserve(entry: UsageEntry, tokens: number, usd: number): number;
  /** `model` is the one that answered, which may be a fallback. */
  settle(id: number, usage: Usage, usd: number, model: string): void;
  release(id: number): void;
  /** Since an epoch ms; of all, or of one address. */
  spent(since: number, at?: Address): Spent;
  totals(since: number, at?: Address): readonly UsageTotals[];
}

/** Small values that the running gateway keeps: the chosen model of a chat, notices given. */
export interface Settings {
  get(scope: string, key: string): string | undefined;
  set(scope: string, key: string, value: string | undefined): void;
}

/**
 * The state: one SQLite file, synchronous calls, each durable when it returns. Every method throws `StateError`, with
 * nothing changed, when the folder cannot be written.
 */
export interface Store {
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly history: History;
  readonly calls: Calls;
  readonly people: People;
  readonly usage: UsageLog;
  readonly settings: Settings;
  /** All or nothing; transactions nest. */
  transaction<T>(work: () => T): T;
  /**
   * The same without waiting for the disk: survives the death of the process like all else, but a power cut may undo it,
   * together with everything after it, until the next durable call. For steps that are safe to take again.
   */
  swiftly<T>(work: () => T): T;
  /** Removes what need not be kept for ever, at most `limit` rows of each kind. Returns how many rows. */
  prune(limit: number): number;
  /** Changes when another process has written (the command line, say). */
  foreignVersion(): number;
  close(): void;
}
