/** The conversation, made to fit the window -> one model call, within the budget. Recovers from what a long or broken past does. */
import { ModelError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address } from "../contracts/message.ts";
import type { ModelRequest, ToolSpec } from "../contracts/model.ts";
import type { Store } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";
import type { Answer } from "./answer.ts";
import type { Budget } from "./budget.ts";
import { compact } from "./compaction.ts";
import { fitWindow, turnsOf, viewTokens } from "./conversation.ts";
import { textTokens, turnTokens } from "./tokens.ts";

/** The models that may answer one conversation, the preferred one first. */
export interface Models {
  /** Of the preferred model. */
  readonly id: string;
  /** Any of them may answer in its stead. */
  readonly fallbackIds: readonly string[];
  readonly contextWindow: number;
  readonly maxOutputTokens: number;
  ask(request: ModelRequest, signal: AbortSignal): Promise<Answer>;
}

export interface AskingOptions {
  readonly store: Store;
  readonly modelsFor: (at: Address) => Models;
  readonly budget: Budget;
  readonly log: Logger;
}

/** Whose message is being answered, and what stays the same in every request of its conversation. */
export interface Asker {
  readonly at: Address;
  readonly inboxSeq: number;
  /** For the usage table: channel and id. */
  readonly sender: string;
  readonly system: string;
  readonly tools: readonly ToolSpec[];
}

export interface Asking {
  /** Asks with the conversation as it stands; the returned function is called once for each step of a turn. */
  begin(asker: Asker): (signal: AbortSignal) => Promise<Answer>;
  /** Compresses a conversation now; true if there was something to compress. */
  compactNow(at: Address, sender: string, signal: AbortSignal): Promise<boolean>;
}

/** Compaction begins when the conversation fills this much of the room. */
const fullShare = 0.75;
const keepShare = 0.25;

const withoutPast =
  "The provider refused the conversation so far, so I answered from your last message alone. /new starts afresh.";

export function createAsking(options: AskingOptions): Asking {
  const { store, modelsFor, budget, log } = options;
  /** The same bytes come with every turn; counting them takes longer than comparing. */
  let counted = { fixed: "", tokens: 0 };
  return {
    begin,
    compactNow: async (at, sender, signal) =>
      await compactView(at, sender, modelsFor(at), 0, signal),
  };

  /** Asks with the conversation as it stands, made to fit; once each it recovers from "too long" and "rejected". */
  function tokensOf(system: string, tools: readonly ToolSpec[]): number {
    const fixed = system + JSON.stringify(tools);
    if (counted.fixed !== fixed) counted = { fixed, tokens: textTokens(fixed) };
    return counted.tokens;
  }

  function begin({
    at,
    inboxSeq,
    sender,
    system,
    tools,
  }: Asker): (signal: AbortSignal) => Promise<Answer> {
    const fixedTokens = tokensOf(system, tools);
    let mayCompact = true;
    let share = 1;
    let alone = false;

    return async function ask(signal): Promise<Answer> {
      const models = modelsFor(at);
      const room = (models.contextWindow - models.maxOutputTokens - fixedTokens) * share;
      let view = store.history.view(at);
      if (mayCompact && viewTokens(view) > room * fullShare) {
        mayCompact = false;
        await compactView(at, sender, models, room * keepShare, signal).catch((error: unknown) => {
          signal.throwIfAborted();
          log.warn({ error, address: addressKey(at) }, "compaction failed, going on without");
        });
        view = store.history.view(at);
      }
      if (alone) view = { summary: undefined, rows: store.history.ofMessage(inboxSeq) };
      const fitted = fitWindow(view, room);
      const request = { system, tools, turns: turnsOf(fitted) };
      try {
        const inputTokens = fixedTokens + viewTokens(fitted);
        const answer = await paidFor(at, sender, models, inputTokens, request, signal);
        const note = alone ? withoutPast : answer.note;
        return { ...answer, note };
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        if (error.kind === "too-long" && share > 0.25) {
          share /= 2;
          mayCompact = true;
          return await ask(signal);
        }
        const hasPast = view.summary !== undefined || view.rows[0]?.inboxSeq !== inboxSeq;
        // "too-long" still: the window is smaller than we were told, and only what was said last is sure to fit.
        if ((error.kind === "rejected" || error.kind === "too-long") && !alone && hasPast) {
          alone = true;
          return await ask(signal);
        }
        throw error;
      }
    };
  }

  /** One model call within the budget: reserved before, settled after. */
  async function paidFor(
    at: Address,
    sender: string,
    models: Models,
    inputTokens: number,
    request: Omit<ModelRequest, "maxOutputTokens">,
    signal: AbortSignal,
    maxOutputTokens = models.maxOutputTokens,
  ): Promise<Answer> {
    const reservation = budget.reserve({
      at,
      sender,
      model: models.id,
      fallbacks: models.fallbackIds,
      inputTokens,
      maxOutputTokens,
    });
    try {
      const answer = await models.ask(
        { ...request, maxOutputTokens: reservation.maxOutputTokens },
        signal,
      );
      reservation.settle(answer.usage, answer.model);
      return answer;
    } catch (error) {
      const refused =
        error instanceof ModelError && error.kind !== "timed-out" && error.kind !== "unavailable";
      reservation.fail(!refused);
      throw error;
    }
  }

  async function compactView(
    at: Address,
    sender: string,
    models: Models,
    keepTokens: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    // About three characters a token, and half of the window for the transcript, is on the safe side.
    const maxCharacters = Math.floor(models.contextWindow * 1.5);
    return await compact({
      history: store.history,
      at,
      view: store.history.view(at),
      keepTokens,
      maxCharacters,
      ask: async (request) => {
        const inputTokens = request.turns.reduce((sum, turn) => sum + turnTokens(turn), 0);
        const max = request.maxOutputTokens;
        return (await paidFor(at, sender, models, inputTokens, request, signal, max)).turn.text;
      },
    });
  }
}
