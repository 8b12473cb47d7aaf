import type { Update } from "grammy/types";
import type { ConnectionState } from "../../contracts/channel.ts";
import type { ChannelError } from "../../contracts/errors.ts";
import type { Logger } from "../../contracts/logger.ts";
import type { InboundMessage } from "../../contracts/message.ts";
import { backoffMs } from "../../lib/backoff.ts";
import { errorText } from "../../lib/error-text.ts";
import { sleep } from "../../lib/sleep.ts";
import { offer } from "../offer.ts";
import { refusalOf } from "./failure.ts";

interface PollRequest {
  readonly offset: number | undefined;
  readonly limit: number;
  /** Seconds that Telegram may hold the request open while there is nothing to tell. */
  readonly timeout: number;
}

export interface PollParts {
  /** getUpdates. Rejects with what grammY throws. */
  fetch(request: PollRequest, signal: AbortSignal): Promise<readonly Update[]>;
  deleteWebhook(signal: AbortSignal): Promise<void>;
  translate(update: Update): InboundMessage | undefined;
  readonly receive: (message: InboundMessage) => Promise<void>;
  /** Called once the message of this update is durable. */
  received(update: Update): void;
  state(now: ConnectionState): void;
  failure(error: unknown, doing: string): ChannelError;
  readonly log: Logger;
  readonly pollSeconds: number;
}

const outage = { firstMs: 1000, maxMs: 60_000 };
const conflict = { firstMs: 5000, maxMs: 60_000 };
const batchSize = 100;
/** How much longer than it was asked to hold a poll may Telegram take. */
const slackMs = 15_000;
const lastAckMs = 3000;

/**
 * getUpdates -> translate -> receive -> the offset moves, until the signal ends it.
 *
 * The offset is the acknowledgement: Telegram forgets every update below it. It moves past an update only once its
 * message is durable, or is known to be nothing for us, and is told with the next poll, or a last one at the end.
 */
export async function pollUpdates(parts: PollParts, signal: AbortSignal): Promise<void> {
  let offset: number | undefined;
  let told: number | undefined;
  let failures = 0;
  let timeout = parts.pollSeconds;

  while (!signal.aborted) {
    let updates: readonly Update[];
    try {
      updates = await fetchBatch(parts, { offset, limit: batchSize, timeout }, signal);
    } catch (error) {
      if (signal.aborted) break;
      failures += 1;
      timeout = await recover(parts, error, failures, signal);
      continue;
    }
    told = offset;
    timeout = parts.pollSeconds;
    if (failures > 0) parts.log.info({ failures }, "polling works again");
    failures = 0;
    parts.state({ up: true });
    for (const update of updates) {
      if (signal.aborted || !(await take(parts, update, signal))) break;
      offset = update.update_id + 1;
    }
  }
  if (offset !== undefined && offset !== told) await acknowledge(parts, offset);
}

async function fetchBatch(
  parts: PollParts,
  request: PollRequest,
  signal: AbortSignal,
): Promise<readonly Update[]> {
  const limitMs = request.timeout * 1000 + slackMs;
  const updates = await parts.fetch(
    request,
    AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
  );
  if (
    !Array.isArray(updates) ||
    !updates.every((update) => Number.isSafeInteger(update?.update_id))
  ) {
    throw new SyntaxError("getUpdates did not answer a list of updates");
  }
  return updates;
}

/** Waits as the failure asks. Returns how long the next poll may be held: not at all where its success is news. */
async function recover(
  parts: PollParts,
  error: unknown,
  failures: number,
  signal: AbortSignal,
): Promise<number> {
  const refusal = refusalOf(error);
  if (refusal?.code === 409 && /webhook/i.test(refusal.description)) {
    parts.log.warn({}, "a webhook is set for this bot: removing it, no message is dropped");
    try {
      await parts.deleteWebhook(AbortSignal.any([signal, AbortSignal.timeout(slackMs)]));
      if (failures === 1) return 0;
    } catch (deleteError) {
      parts.log.warn(
        { reason: parts.failure(deleteError, "remove the webhook").message },
        "failed",
      );
    }
  }
  const failure = parts.failure(error, "fetch messages");
  const isConflict = refusal?.code === 409;
  const waitMs = failure.retryAfterMs ?? backoffMs(failures, isConflict ? conflict : outage);
  parts.state({ up: false, reason: failure.message });
  const facts = { failures, waitMs, reason: failure.message };
  if (isConflict) parts.log.error(facts, "polling is in conflict, waiting");
  else parts.log.warn(facts, "polling failed, waiting");
  await sleep(waitMs, signal).catch(() => undefined); // aborted: the loop ends
  return isConflict ? parts.pollSeconds : 0;
}

/** True once nothing of the update can be lost any more. */
async function take(parts: PollParts, update: Update, signal: AbortSignal): Promise<boolean> {
  const updateId = update.update_id;
  let message: InboundMessage | undefined;
  try {
    message = parts.translate(update);
  } catch (error) {
    // Skipped, or it would stand in the way of all that follow.
    parts.log.error({ updateId, reason: errorText(error) }, "an update could not be read, skipped");
    return true;
  }
  if (message === undefined) {
    parts.log.debug({ updateId }, "an update without a message for us");
    return true;
  }
  const isDurable = await offer(parts.receive, message, signal, (error, waitMs) => {
    parts.log.error(
      { updateId, waitMs, reason: errorText(error) },
      "a message could not be stored; it stays with Telegram and is offered again",
    );
  });
  if (isDurable) parts.received(update);
  return isDurable;
}

/** Without it Telegram would offer the last messages again at the next start: known ones, so no harm, but late. */
async function acknowledge(parts: PollParts, offset: number): Promise<void> {
  try {
    await parts.fetch({ offset, limit: 1, timeout: 0 }, AbortSignal.timeout(lastAckMs));
  } catch (error) {
    parts.log.debug({ reason: parts.failure(error, "acknowledge").message }, "not acknowledged");
  }
}
