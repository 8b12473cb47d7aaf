/** claim -> user turn (durable) -> agent -> { answer, reply, settled } in one transaction -> delivery. */
import type { Channel } from "../contracts/channel.ts";
import { ModelError, StateError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address, InboundMessage } from "../contracts/message.ts";
import type { Content, Turn } from "../contracts/model.ts";
import type { Sandbox } from "../contracts/sandbox.ts";
import type { HistoryRow, InboxRow, Store } from "../contracts/store.ts";
import type { Tool } from "../contracts/tool.ts";
import { addressKey } from "../lib/address.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Access } from "./access.ts";
import { type AgentLimits, type Ending, type Journal, runAgent, StoppedByUser } from "./agent.ts";
import type { Asking } from "./asking.ts";
import { fetchAttachments } from "./attachments.ts";
import { type Budget, BudgetError } from "./budget.ts";
import { openCalls, toolText, viewTokens } from "./conversation.ts";
import type { Delivery } from "./delivery.ts";
import { messageText, systemPrompt } from "./prompt.ts";
import { mainSpace } from "./space.ts";
import { turnTokens } from "./tokens.ts";
import { decide, type PolicyRules } from "./tool-policy.ts";
import { keepTyping } from "./typing.ts";

export interface TurnsOptions {
  readonly store: Store;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly access: Access;
  readonly delivery: Delivery;
  readonly sandbox: Sandbox;
  readonly tools: readonly Tool[];
  readonly asking: Asking;
  readonly budget: Budget;
  readonly policy: PolicyRules;
  readonly limits: AgentLimits;
  readonly name: string;
  readonly log: Logger;
  readonly now: () => number;
}

export interface Turns {
  /** Ends with the message settled, postponed, or (gateway stopping) given back. Throws only `StateError`. */
  run(row: InboxRow, space: string, signal: AbortSignal): Promise<void>;
  /** False once its sender was revoked or erased: what was accepted before is not answered any more. */
  isWanted(row: InboxRow): boolean;
  /** Ends a message without a word to its sender; the history, told why, is left whole. */
  drop(row: InboxRow, why: DropReason): void;
  /** Compresses a conversation now. A sentence on what was done. */
  compactNow(at: Address, sender: string, signal: AbortSignal): Promise<string>;
}

type DropReason = "stopped" | "unwanted";

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
const personaFreshMs = 10 * 60_000;

export function createTurns(options: TurnsOptions): Turns {
  const { store, channels, access, delivery, sandbox, asking, budget, log, now } = options;
  let persona = { text: "", until: 0 };
  let allTools: Promise<ReadonlyMap<string, Tool>> | undefined;

  return {
    async run(row, space, signal) {
      const { message } = row;
      const stopTyping = keepTyping(channels.get(message.address.channel), message.address);
      try {
        if (row.state === "waiting" && row.attempts >= maxCutShort) {
          giveUp(row, `The gateway was ended ${maxCutShort} times while it worked on it.`);
          return;
        }
        await begin(row, space, signal);
        finish(row, await answer(row, space, signal));
      } catch (error) {
        if (error instanceof StateError) throw error;
        settleFailure(row, error, signal);
      } finally {
        stopTyping();
        delivery.kick(message.address);
      }
    },
    isWanted,
    drop,
    async compactNow(at, sender, signal) {
      const before = viewTokens(store.history.view(at));
      const done = await asking.compactNow(at, sender, signal);
      const after = viewTokens(store.history.view(at));
      return done
        ? `Compressed from about ${before} to about ${after} tokens. The words themselves are kept: /export has them.`
        : "There is nothing to compress yet.";
    },
  };

  function isWanted({ seq, message }: InboxRow): boolean {
    if (store.inbox.get(seq) === undefined) return false;
    const { as } = access.judge(message);
    return as !== "stranger" && as !== "claimant";
  }

  function drop(row: InboxRow, why: DropReason): void {
    store.transaction(() => {
      if (store.inbox.get(row.seq) === undefined) return; // erased: nothing may be written of it
      const stopped = why === "stopped";
      endHistory(row, stopped ? "(Stopped by the user.)" : "(Its sender may no longer write.)");
      store.inbox.settle(row.seq, stopped ? "answered" : "ignored");
    });
  }

  /** Every call answered and a last word, so that the next message finds the history whole. */
  function endHistory({ seq, message: { address } }: InboxRow, words: string): void {
    const own = sinceLastEnd(store.history.ofMessage(seq));
    for (const call of openCalls(own)?.calls ?? []) {
      append(address, seq, toolText(call.id, "Given up; whether it took effect is unknown.", true));
    }
    if (own.length > 0) append(address, seq, { role: "assistant", text: words, calls: [] });
  }

  /** Claims the message and writes its user turn, unless a former process has done so. */
  async function begin(row: InboxRow, space: string, signal: AbortSignal): Promise<void> {
    const { message, seq } = row;
    const claim = (): void => {
      if (row.state === "waiting") store.inbox.claim(seq);
    };
    const hasBegun = sinceLastEnd(store.history.ofMessage(seq)).length > 0;
    const needsFiles = !hasBegun && message.attachments.length > 0;
    if (needsFiles) {
      claim();
      const turn = await userTurn(message, space, signal);
      append(message.address, seq, turn);
      return;
    }
    // Undone by a power cut, it is taken again: nothing has been done yet.
    store.swiftly(() => {
      claim();
      if (!hasBegun) append(message.address, seq, textTurn(message, []));
    });
  }

  async function userTurn(
    message: InboundMessage,
    space: string,
    signal: AbortSignal,
  ): Promise<Turn> {
    const channel = channels.get(message.address.channel);
    if (channel === undefined) return textTurn(message, []);
    const { images, lines } = await fetchAttachments(message, channel, sandbox, space, signal);
    return textTurn(message, lines, images);
  }

  function append(at: Address, inboxSeq: number, turn: Turn): HistoryRow {
    return store.history.append(at, inboxSeq, turn, turnTokens(turn));
  }

  async function answer(row: InboxRow, space: string, signal: AbortSignal): Promise<Ending> {
    const { address, sender } = row.message;
    const own: HistoryRow[] = sinceLastEnd(store.history.ofMessage(row.seq));
    const tools = await toolsByName();
    const system = systemPrompt({
      name: options.name,
      space,
      persona: await readPersona(signal),
      hasTools: tools.size > 0,
    });
    const journal: Journal = {
      own: () => own,
      append(turn) {
        const added = append(address, row.seq, turn);
        own.push(added);
        return added;
      },
      beginCall: (at, call, effect) => store.calls.begin(at.seq, call, address, effect),
      endCall(at, call, result) {
        const added = store.transaction(() => {
          store.calls.end(at.seq, call.id, result.failed);
          return append(address, row.seq, result);
        });
        own.push(added);
      },
      isInterrupted: (at, call) => store.calls.isInterrupted(at.seq, call.id),
    };
    return await runAgent({
      journal,
      ask: asking.begin({
        at: address,
        inboxSeq: row.seq,
        sender: `${address.channel}/${sender.id}`,
        system,
        tools: [...tools.values()].map(({ name, description, inputSchema }) => ({
          name,
          description,
          inputSchema,
        })),
      }),
      tools,
      decide: (effect) => decide(effect, options.policy),
      context: { address, sender, space, log },
      limits: options.limits,
      signal,
    });
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
      append(address, row.seq, turn);
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

  function settleFailure(row: InboxRow, error: unknown, signal: AbortSignal): void {
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

  /** A dead letter: kept for `barnacle sessions retry`, and told to its sender; the history says so too. */
  function giveUp(row: InboxRow, reason: string): void {
    const { message, seq } = row;
    const { address } = message;
    const text = `I could not answer this message. ${reason}\n\nSend it again; on the server, "barnacle sessions retry ${seq}" does the same.`;
    store.transaction(() => {
      endHistory(row, `(${reason})`);
      store.inbox.settle(seq, "failed", reason);
      delivery.enqueue(address, { text }, seq);
    });
  }

  async function toolsByName(): Promise<ReadonlyMap<string, Tool>> {
    allTools ??= sandbox
      .tools()
      .then((own) => new Map([...own, ...options.tools].map((tool) => [tool.name, tool])));
    try {
      return await allTools;
    } catch (error) {
      allTools = undefined;
      throw error;
    }
  }

  /**
   * The operator's word is the same for every space, so one of them is asked. Read again when old, so that an edit
   * counts without a restart; a sandbox in trouble does not silence the bot.
   */
  async function readPersona(signal: AbortSignal): Promise<string> {
    if (persona.until > now()) return persona.text;
    try {
      const text = await sandbox.persona(mainSpace, signal);
      persona = { text, until: now() + personaFreshMs };
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ error }, "the persona files could not be read");
    }
    return persona.text;
  }
}

/** A dead letter that is tried again begins anew: its former turn ended with the reason. */
function sinceLastEnd(rows: readonly HistoryRow[]): HistoryRow[] {
  const end = rows.findLastIndex(
    ({ turn }) => turn.role === "assistant" && turn.calls.length === 0,
  );
  return rows.slice(end + 1);
}

function textTurn(
  message: InboundMessage,
  files: readonly string[],
  images: readonly Content[] = [],
): Turn {
  return {
    role: "user",
    content: [{ type: "text", text: messageText(message, files) }, ...images],
  };
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
