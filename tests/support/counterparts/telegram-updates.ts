import type { Update } from "grammy/types";

/** The outcome of one getUpdates call. */
export type Poll =
  | { readonly type: "updates"; readonly updates: readonly Update[] }
  /** Another getUpdates came: Telegram answers the older one with 409. */
  | { readonly type: "conflict" }
  | { readonly type: "closed" };

interface PollOptions {
  readonly offset: number;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly allowed: readonly string[] | undefined;
  readonly closed: AbortSignal;
}

/**
 * The update queue as https://core.telegram.org/bots/api#getupdates describes it: an update is confirmed, and then
 * forgotten, as soon as getUpdates is called with an offset higher than its id; until then it is delivered again. A
 * negative offset counts from the end. Only one getUpdates at a time; a newer one ends the older one.
 */
export function createUpdateQueue() {
  let queue: Update[] = [];
  let nextId = 700_000_001;
  let confirmed = 0;
  let wake: ((poll: Poll | "look again") => void) | undefined;

  const pick = ({ limit, allowed }: PollOptions): Update[] =>
    queue.filter((update) => allowed === undefined || kindOf(update, allowed)).slice(0, limit);

  return {
    /** Puts an update into the queue (`content`: its one optional field); returns its id. */
    push(content: object): number {
      const update: Update = { update_id: nextId, ...content };
      nextId += 1;
      queue.push(update);
      wake?.("look again");
      return update.update_id;
    },
    /** Forgets what `offset` confirms; returns the confirmed updates. */
    confirm(offset: number): readonly Update[] {
      const from = offset < 0 ? (queue.at(offset)?.update_id ?? queue[0]?.update_id ?? 0) : offset;
      const gone = queue.filter((update) => update.update_id < from);
      queue = queue.filter((update) => update.update_id >= from);
      confirmed = Math.max(confirmed, ...gone.map((update) => update.update_id));
      return gone;
    },
    /** The highest confirmed update id. */
    confirmedUpTo: () => confirmed,
    waiting: () => queue.length,
    async poll(options: PollOptions): Promise<Poll> {
      wake?.({ type: "conflict" });
      const deadline = performance.now() + options.timeoutMs;
      for (;;) {
        const updates = pick(options);
        const leftMs = deadline - performance.now();
        if (updates.length > 0 || leftMs <= 0) return { type: "updates", updates };
        const signal = await new Promise<Poll | "look again">((resolve) => {
          const timer = setTimeout(settle, leftMs, "look again");
          const onClosed = (): void => settle({ type: "closed" });
          function settle(outcome: Poll | "look again"): void {
            clearTimeout(timer);
            options.closed.removeEventListener("abort", onClosed);
            if (wake === settle) wake = undefined;
            resolve(outcome);
          }
          wake = settle;
          if (options.closed.aborted) onClosed();
          else options.closed.addEventListener("abort", onClosed, { once: true });
        });
        if (signal !== "look again") return signal;
      }
    },
  };
}

/** By default Telegram delivers all kinds but a few that must be asked for; none of those is made here. */
function kindOf(update: Update, allowed: readonly string[]): boolean {
  return allowed.length === 0 || Object.keys(update).some((key) => allowed.includes(key));
}
