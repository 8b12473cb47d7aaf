/** How a message's turn ends: answered, stopped, unwanted, tried again later, or a dead letter; each in one transaction. */
import { ModelError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address } from "../contracts/message.ts";
import type { HistoryRow, InboxRow, Store } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Access } from "./access.ts";
import { type Ending, StoppedByUser } from "./agent.ts";
import { type Budget, BudgetError } from "./budget.ts";
import { openCalls, toolText } from "./conversation.ts";
import type { Delivery } from "./delivery.ts";
import { turnTokens } from "./tokens.ts";

export interface TurnEndingsOptions {
  readonly store: Store;
  readonly access: Access;
  readonly delivery: Delivery;
  readonly budget: Budget;
  readonly log: Logger;
  readonly now: () => number;
}

export interface TurnEndings {
  /** False once its sender was revoked or erased: what was accepted before is not answered any more. */
  isWanted(row: InboxRow): boolean;
  /** Answered. Throws `NoLongerWanted` instead if that came in between. */
  finish(row: InboxRow, ending: Ending): void;
  /** Ends a message without a word to its sender; the history, told why, is left whole. */
  drop(row: InboxRow, why: "stopped" | "unwanted"): void;
  /** Whatever was thrown: given back, dropped, tried again later, or given up. */
  fail(row: InboxRow, error: unknown, signal: AbortSignal): void;
  /** A dead letter: kept for `barnacle sessions retry`, and told to its sender; the history says so too. */
  giveUp(row: InboxRow, reason: string): void;
  /** Gives up a message within whose turn the process has died again and again. False if it may be tried. */
  giveUpIfWornOut(row: InboxRow): boolean;
}

/** Aborts a turn that shall go on after a restart. */
export class GatewayStopping extends Error {
  override readonly name = "GatewayStopping";
}

/** Aborts a turn whose sender may no longer write to the bot. */
export class NoLongerWanted extends Error {
  override readonly name = "NoLongerWanted";
}

const maxAttempts = 3;
/** The process died so often in a row within this turn: more than bad luck, so the message may be what kills it. */
const maxCutShort = 5;
const retryBackoff = { firstMs: 5000, maxMs: 120_000 };
/** Longer waits are told to the sender. */
const tellWaitMs = 30_000;
export const maxWaitMs = 60 * 60_000;

export function createTurnEndings(options: TurnEndingsOptions): TurnEndings {
  const { store, access, delivery, budget, log, now } = options;
  return { isWanted, finish, drop, fail, giveUp, giveUpIfWornOut };

  function isWanted({ seq, message }: InboxRow): boolean {
    if (store.inbox.get(seq) === undefined) return false;
    const { as } = access.judge(message);
    return as !== "stranger" && as !== "claimant";
  }

  function drop(row: InboxRow, why: "stopped" | "unwanted"): void {
    store.transaction(() => {
      if (store.inbox.get(row.seq) === undefined) return; // erased: nothing may be written of it
      const stopped = why === "stopped";
      endHistory(row, stopped ? "(Stopped by the user.)" : "(Its sender may no longer write.)");
      store.inbox.settle(row.seq, stopped ? "answered" : "ignored");
    });
  }

  function add(at: Address, inboxSeq: number, turn: HistoryRow["turn"]): void {
    store.history.append(at, inboxSeq, turn, turnTokens(turn));
  }

  /** Every call answered and a last word, so that the next message finds the history whole. */
  function endHistory({ seq, message: { address } }: InboxRow, words: string): void {
    const own = sinceLastEnd(store.history.ofMessage(seq));
    for (const call of openCalls(own)?.calls ?? []) {
      add(address, seq, toolText(call.id, "Given up; whether it took effect is unknown.", true));
    }
    if (own.length > 0) add(address, seq, { role: "assistant", text: words, calls: [] });
  }

  /** The final assistant turn, the reply and the message's end are one transaction: there is no state between. */
  function finish(row: InboxRow, { turn, notes, silent }: Ending): void {
    const { address } = row.message;
    const warning = budgetWarning(address);
    const remarks = [...notes, ...(warning === undefined ? [] : [warning])];
    const text = [turn.text, ...remarks.map((remark) => `_${remark}_`)].join("\n\n");
    // Durable before anything is said: delivery records durably that it is sending.
    store.swiftly(() => {
      if (!isWanted(row)) throw new NoLongerWanted();
      add(address, row.seq, turn);
      if (silent !== true) delivery.enqueue(address, { text }, row.seq);
      store.inbox.settle(row.seq, "answered");
    });
  }

  /** Once a day for each chat. */
  function budgetWarning(at: Address): string | undefined {
    const warning = budget.warning(at);
    if (warning === undefined) return undefined;
    const today = new Date(now()).toISOString().slice(0, 10);
    const scope = addressKey(at);
    if (store.settings.get(scope, "budget_warned") === today) return undefined;
    store.settings.set(scope, "budget_warned", today);
    return warning;
  }

  function fail(row: InboxRow, error: unknown, signal: AbortSignal): void {
    if (signal.aborted && signal.reason instanceof GatewayStopping) {
      store.inbox.unclaim(row.seq);
      return;
    }
    if (signal.aborted && signal.reason instanceof StoppedByUser) {
      drop(row, "stopped");
      return;
    }
    if (!isWanted(row)) {
      drop(row, "unwanted");
      return;
    }
    const address = addressKey(row.message.address);
    const attempts = store.inbox.get(row.seq)?.attempts ?? maxAttempts;
    const waitMs = waitFor(error, attempts);
    log.warn({ address, seq: row.seq, attempts, waitMs, error }, "a turn failed");
    if (error instanceof BudgetError || waitMs === undefined) {
      giveUp(row, reasonOf(error));
      return;
    }
    store.transaction(() => {
      store.inbox.postpone(row.seq, now() + waitMs, reasonOf(error));
      if (waitMs > tellWaitMs) {
        const at = new Date(now() + waitMs).toISOString().slice(11, 16);
        const text = `${reasonOf(error)} I will try again at ${at} UTC.`;
        delivery.enqueue(row.message.address, { text }, row.seq);
      }
    });
  }

  function giveUpIfWornOut(row: InboxRow): boolean {
    if (row.attempts < maxCutShort) return false;
    giveUp(row, `The gateway was ended ${maxCutShort} times while it worked on it.`);
    return true;
  }

  function giveUp(row: InboxRow, reason: string): void {
    const { message, seq } = row;
    const { address } = message;
    const text = `I could not answer this message. ${reason}\n\nSend it again; on the server, "barnacle sessions retry ${seq}" does the same.`;
    store.transaction(() => {
      endHistory(row, `(${reason})`);
      store.inbox.settle(seq, "failed", reason);
      delivery.enqueue(address, { text }, seq);
    });
    delivery.kick(address);
  }
}

/** A dead letter that is tried again begins anew: its former turn ended with the reason. */
export function sinceLastEnd(rows: readonly HistoryRow[]): HistoryRow[] {
  const end = rows.findLastIndex(
    ({ turn }) => turn.role === "assistant" && turn.calls.length === 0,
  );
  return rows.slice(end + 1);
}

/** For the chat: only errors that were written for people speak there, others may name paths and worse. */
function reasonOf(error: unknown): string {
  const isForPeople = error instanceof ModelError || error instanceof BudgetError;
  return isForPeople ? error.message : "Something went wrong inside of me; the log tells what.";
}

/** Milliseconds until the next try; undefined when trying again would not help or has been tried enough. */
function waitFor(error: unknown, attempts: number): number | undefined {
  if (attempts >= maxAttempts) return undefined;
  if (!(error instanceof ModelError)) return backoffMs(attempts, retryBackoff);
  switch (error.kind) {
    case "rate-limited":
    case "unavailable":
    case "timed-out": {
      const waitMs = error.retryAfterMs ?? backoffMs(attempts, retryBackoff);
      return waitMs > maxWaitMs ? undefined : waitMs;
    }
    case "unauthorized":
    case "unpaid":
    case "unknown-model":
    case "rejected":
    case "too-long":
      return undefined;
  }
}
