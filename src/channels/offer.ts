import type { InboundMessage } from "../contracts/message.ts";
import { backoffMs } from "../lib/backoff.ts";
import { sleep } from "../lib/sleep.ts";

const retry = { firstMs: 500, maxMs: 30_000 };

/**
 * Offers a message until it is durable. While it is not (a full state folder, say), `onRefusal` is told and the same
 * message is offered again after a growing wait. False if the signal ended it first: the message was not accepted.
 */
export async function offer(
  receive: (message: InboundMessage) => Promise<void>,
  message: InboundMessage,
  signal: AbortSignal,
  onRefusal: (error: unknown, waitMs: number) => void,
): Promise<boolean> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      await receive(message);
      return true;
    } catch (error) {
      const waitMs = backoffMs(attempt, retry);
      onRefusal(error, waitMs);
      await sleep(waitMs, signal).catch(() => undefined); // aborted: the loop ends
    }
  }
  return false;
}
