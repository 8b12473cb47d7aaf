import type { Address } from "../contracts/message.ts";
import type { Usage } from "../contracts/model.ts";
import type { Spent, Store } from "../contracts/store.ts";

export interface Limit {
  readonly usd?: number | undefined;
  readonly tokens?: number | undefined;
}

export interface BudgetRules {
  readonly perDay: Limit;
  /** Of one chat, per day. */
  readonly perChatPerDay: Limit;
}

/** US dollars per million tokens. */
export interface Price {
  readonly inputUsd: number;
  readonly cachedInputUsd: number;
  readonly outputUsd: number;
}

/** Refused before the call: the day's allowance is used up. The message is for the user. */
export class BudgetError extends Error {
  override readonly name = "BudgetError";
}

export interface Reservation {
  /** Output tokens that still fit. */
  readonly maxOutputTokens: number;
  settle(usage: Usage, model: string): void;
  /** The call failed: what it was going to read may have been charged. */
  fail(charged: boolean): void;
}

export interface Budget {
  /** Checks and reserves the worst case of one call. Throws `BudgetError`. */
  reserve(call: {
    readonly at: Address;
    readonly sender: string;
    readonly model: string;
    /** What may answer instead, at its own price. */
    readonly fallbacks: readonly string[];
    readonly inputTokens: number;
    readonly maxOutputTokens: number;
  }): Reservation;
  /** A sentence once 80 % of a limit is used. */
  warning(at: Address): string | undefined;
  /** Lines for `/usage`. */
  report(at: Address): string;
}

const warnAt = 0.8;
/** With less room than this for the answer, a call is not worth its price. */
const leastOutputTokens = 64;

export function createBudget(options: {
  readonly store: Pick<Store, "usage" | "swiftly">;
  readonly rules: BudgetRules;
  /** By model id; absent for models that are free or tell their cost. */
  readonly prices: ReadonlyMap<string, Price>;
  readonly now: () => number;
}): Budget {
  const { store, rules, prices, now } = options;
  const { usage } = store;

  const scopes = (at: Address): readonly { name: string; limit: Limit; spent: Spent }[] => {
    const since = startOfDay(now());
    const all = [
      { name: "this chat", limit: rules.perChatPerDay, at },
      { name: "all chats together", limit: rules.perDay, at: undefined },
    ];
    return all
      .filter(({ limit }) => limit.usd !== undefined || limit.tokens !== undefined)
      .map((scope) => ({ ...scope, spent: usage.spent(since, scope.at) }));
  };

  return {
    reserve({ at, sender, model, fallbacks, inputTokens, maxOutputTokens }) {
      const price = highest([model, ...fallbacks].flatMap((id) => prices.get(id) ?? []));
      let output = maxOutputTokens;
      for (const { name, limit, spent } of scopes(at)) {
        const room = roomIn(limit, spent, inputTokens, price);
        if (room < leastOutputTokens) throw new BudgetError(usedUp(name, limit, spent));
        output = Math.min(output, room);
      }
      const usd = costOf({ inputTokens, cachedInputTokens: 0, outputTokens: output }, price);
      const id = store.swiftly(() =>
        usage.reserve({ at, sender, model }, inputTokens + output, usd),
      );
      return {
        maxOutputTokens: output,
        settle: (used, by) =>
          store.swiftly(() =>
            usage.settle(id, used, used.costUsd ?? costOf(used, prices.get(by)), by),
          ),
        fail(charged) {
          if (!charged) return usage.release(id);
          const read = { inputTokens, cachedInputTokens: 0, outputTokens: 0 };
          usage.settle(id, read, costOf(read, prices.get(model)), model);
        },
      };
    },
    warning(at) {
      for (const { name, limit, spent } of scopes(at)) {
        const share = shareOf(limit, spent);
        if (share >= warnAt) {
          return `${Math.min(100, Math.floor(share * 100))} % of today's budget for ${name} is used (${describe(limit, spent)}). It starts anew at 00:00 UTC.`;
        }
      }
      return undefined;
    },
    report(at) {
      const since = startOfDay(now());
      const line = (name: string, limit: Limit, spent: Spent): string =>
        `- ${name}: ${describe(limit, spent)}`;
      const models = usage
        .totals(since, at)
        .map(
          (row) =>
            `- ${row.model}: ${row.calls} calls, ${row.inputTokens} tokens in (${row.cachedInputTokens} cached), ${row.outputTokens} out, $${row.usd.toFixed(4)}`,
        );
      return [
        "**Today (UTC)**",
        line("this chat", rules.perChatPerDay, usage.spent(since, at)),
        line("all chats", rules.perDay, usage.spent(since)),
        ...(models.length > 0 ? ["", "**Models in this chat**", ...models] : []),
      ].join("\n");
    },
  };
}

/** Who will answer is not known before the call, so the dearest of each is reckoned with. */
function highest(prices: readonly Price[]): Price | undefined {
  if (prices.length === 0) return undefined;
  const most = (of: (price: Price) => number): number => Math.max(...prices.map(of));
  return {
    inputUsd: most(({ inputUsd }) => inputUsd),
    cachedInputUsd: most(({ cachedInputUsd }) => cachedInputUsd),
    outputUsd: most(({ outputUsd }) => outputUsd),
  };
}

function startOfDay(time: number): number {
  return Math.floor(time / 86_400_000) * 86_400_000;
}

/** Output tokens that fit beside the input into what is left of a limit. */
function roomIn(limit: Limit, spent: Spent, inputTokens: number, price: Price | undefined): number {
  const byTokens =
    limit.tokens === undefined ? Infinity : limit.tokens - spent.tokens - inputTokens;
  if (limit.usd === undefined) return byTokens;
  const left = limit.usd - spent.usd;
  // A model that tells its cost only afterwards is stopped by what it has cost so far.
  if (price === undefined) return left > 0 ? byTokens : 0;
  const forOutput = left - (inputTokens * price.inputUsd) / 1e6;
  if (forOutput < 0) return 0;
  return Math.min(
    byTokens,
    price.outputUsd === 0 ? Infinity : Math.floor((forOutput * 1e6) / price.outputUsd),
  );
}

function costOf(usage: Usage, price: Price | undefined): number {
  if (price === undefined) return usage.costUsd ?? 0;
  const fresh = usage.inputTokens - usage.cachedInputTokens;
  const cached = usage.cachedInputTokens * price.cachedInputUsd;
  return (fresh * price.inputUsd + cached + usage.outputTokens * price.outputUsd) / 1e6;
}

function shareOf(limit: Limit, spent: Spent): number {
  const usd = limit.usd === undefined ? 0 : spent.usd / Math.max(limit.usd, 1e-9);
  const tokens = limit.tokens === undefined ? 0 : spent.tokens / Math.max(limit.tokens, 1);
  return Math.max(usd, tokens);
}

function describe(limit: Limit, spent: Spent): string {
  const tokens = `${spent.tokens}${limit.tokens === undefined ? "" : ` of ${limit.tokens}`} tokens`;
  const usd = `$${spent.usd.toFixed(4)}${limit.usd === undefined ? "" : ` of $${limit.usd.toFixed(2)}`}`;
  return `${tokens}, ${usd}`;
}

function usedUp(name: string, limit: Limit, spent: Spent): string {
  return `Today's budget for ${name} is used up, or too small for another call (${describe(limit, spent)}), so I did not ask the model. It starts anew at 00:00 UTC; the operator can raise "budget" in the config.`;
}
