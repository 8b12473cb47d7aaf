/** outbox row -> sending (recorded) -> platform -> sent (recorded); one at a time per address, in order. */
import type { Channel } from "../contracts/channel.ts";
import { ChannelError, StateError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address, OutboundFile, OutboundMessage } from "../contracts/message.ts";
import type { OutboxRow, Store } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";
import { backoffMs } from "../lib/backoff.ts";
import { errorText } from "../lib/error-text.ts";
import { sleep } from "../lib/sleep.ts";
import { splitText } from "./split-text.ts";

/** Opens a reply that may have arrived before, on a platform that cannot tell. */
const repeatNotice = "_(This may be a repeat: I could not tell whether it had arrived.)_\n\n";
const sendTimeoutMs = 90_000;
const backoff = { firstMs: 1000, maxMs: 5 * 60_000 };
/** Longer answers become a file. */
const maxParts = 8;
const giveUpAfterMs = 24 * 60 * 60_000;
/** Age alone is no reason: after a day without power, or a clock put right, the first try may still fail. */
const leastTries = 20;
/** No wait is longer, whatever the platform asks or a clock that was set back makes of it. */
const maxWaitMs = 60 * 60_000;
const recordBackoff = { firstMs: 1000, maxMs: 10_000 };

export interface Delivery {
  /** Stores a message for sending, split where it is too long; durable when it returns. Send it with `kick`. */
  enqueue(to: Address, message: OutboundMessage, inReplyTo: number | undefined): void;
  /** Sends what waits at an address, if nobody is at it already. */
  kick(at: Address): void;
  /** Takes up what a former process left. */
  start(): void;
  /** Ends after the sends under way, or when `signal` gives up on them. */
  stop(signal: AbortSignal): Promise<void>;
}

export function createDelivery(options: {
  readonly store: Store;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly log: Logger;
  readonly now: () => number;
}): Delivery {
  const { store, channels, log, now } = options;
  const stopping = new AbortController();
  const giveUp = new AbortController();
  const busy = new Map<string, Promise<void>>();
  /** Asked for while busy: perhaps for a message that came just after the last look. */
  const again = new Set<string>();

  return {
    enqueue(to, message, inReplyTo) {
      const channel = channels.get(to.channel);
      const { text, files } = withinReason(channel, message);
      const parts = channel === undefined ? [text] : partsFor(channel, text);
      // Buttons belong to the last part; each file is a message of its own.
      parts.forEach((text, index) => {
        const last = index === parts.length - 1;
        store.outbox.add(to, last ? { text, buttons: message.buttons } : { text }, inReplyTo);
      });
      for (const file of files) {
        store.outbox.add(to, { text: "", files: [file] }, inReplyTo);
      }
    },
    kick,
    start() {
      const uncertain = store.outbox.recover();
      if (uncertain > 0) log.warn({ uncertain }, "replies of unknown fate will be sent again");
      for (const address of store.outbox.addresses()) kick(address);
    },
    async stop(signal) {
      stopping.abort();
      signal.addEventListener("abort", () => giveUp.abort());
      await Promise.all(busy.values());
    },
  };

  function kick(at: Address): void {
    const key = addressKey(at);
    // What is for a channel that this process has not opened (a chat in the terminal) waits for its gateway.
    if (stopping.signal.aborted || !channels.has(at.channel)) return;
    if (busy.has(key)) {
      again.add(key);
      return;
    }
    const work = drain(at)
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error({ error, address: key }, "delivery broke off");
      })
      .finally(() => {
        busy.delete(key);
        if (again.delete(key)) kick(at);
      });
    busy.set(key, work);
  }

  async function drain(at: Address): Promise<void> {
    for (let troubles = 0; !stopping.signal.aborted;) {
      try {
        const row = store.outbox.next(at);
        if (row === undefined) return;
        await sleepUntil(row.notBefore);
        await deliver(row);
        troubles = 0;
      } catch (error) {
        if (!(error instanceof StateError)) throw error;
        troubles += 1;
        log.error({ error }, "a delivery could not be recorded");
        await sleep(backoffMs(troubles, recordBackoff), stopping.signal);
      }
    }
  }

  /** What has happened is written down, however long the state refuses: to forget it is to send it again. */
  async function record(write: () => void): Promise<void> {
    for (let troubles = 1; ; troubles += 1) {
      try {
        write();
        return;
      } catch (error) {
        if (!(error instanceof StateError)) throw error;
        log.error({ error }, "what became of a reply could not be recorded");
        // Stopping ends it: what is still marked as being sent is of unknown fate at the next start.
        await sleep(backoffMs(troubles, recordBackoff), stopping.signal);
      }
    }
  }

  async function sleepUntil(time: number): Promise<void> {
    const waitMs = time - now();
    if (waitMs > 0) await sleep(Math.min(waitMs, maxWaitMs), stopping.signal);
  }

  async function deliver(row: OutboxRow): Promise<void> {
    const channel = channels.get(row.address.channel);
    if (channel === undefined) return;
    const labelled = row.uncertain && !channel.idempotentSend;
    const message = labelled
      ? { ...row.message, text: repeatNotice + row.message.text }
      : row.message;
    store.outbox.sending(row.key);
    const signal = AbortSignal.any([giveUp.signal, AbortSignal.timeout(sendTimeoutMs)]);
    let platformId: string;
    try {
      platformId = await channel.send(row.address, message, row.key, signal);
    } catch (error) {
      await record(() => settleFailure(row, error));
      return;
    }
    // Undone by a power cut, the reply is one of unknown fate, as if the receipt had not come.
    await record(() => store.swiftly(() => store.outbox.sent(row.key, platformId)));
  }

  function settleFailure(row: OutboxRow, error: unknown): void {
    const failure =
      error instanceof ChannelError
        ? error
        : new ChannelError(errorText(error), {
            kind: "unavailable",
            fate: "unknown",
            cause: error,
          });
    const attempt = row.attempts + 1;
    const uncertain = failure.fate === "unknown";
    const address = addressKey(row.address);
    const hopeless = failure.kind === "rejected" || failure.kind === "too-long";
    const isTooOld = attempt >= leastTries && now() - row.createdAt > giveUpAfterMs;
    if (hopeless || isTooOld) {
      log.error({ address, attempt, error: failure.message }, "a reply could not be delivered");
      store.transaction(() => {
        store.outbox.failed(row.key, failure.message);
        const [file] = row.message.files ?? [];
        if (file === undefined) return;
        const text = `I could not send you the file ${file.name}. ${failure.message}`;
        store.outbox.add(row.address, { text }, row.inReplyTo);
      });
      return;
    }
    const waitMs = Math.min(failure.retryAfterMs ?? backoffMs(attempt, backoff), maxWaitMs);
    log.warn({ address, attempt, waitMs, error: failure.message }, "send failed, waiting");
    store.outbox.postpone(row.key, now() + waitMs, failure.message, uncertain);
  }
}

/** An answer of many messages is a flood, and slow to split: it becomes a file, with its beginning as text. */
function withinReason(
  channel: Channel | undefined,
  { text, files = [] }: OutboundMessage,
): { readonly text: string; readonly files: readonly OutboundFile[] } {
  if (channel === undefined || text.length <= channel.maxTextLength * maxParts) {
    return { text, files };
  }
  const data = new TextEncoder().encode(text);
  const whole: OutboundFile = { name: "answer.md", mediaType: "text/markdown", data };
  const beginning = text.slice(0, Math.floor(channel.maxTextLength / 2)).toWellFormed();
  const note = `_(${text.length} characters are too much for a chat: the whole is in the file.)_`;
  return { text: `${beginning} ...\n\n${note}`, files: [whole, ...files] };
}

function partsFor(channel: Channel, text: string): readonly string[] {
  if (text === "") return [];
  // Room is left for the notice, and each part is rendered as it will be sent.
  const room = channel.maxTextLength - channel.render(repeatNotice).length;
  const fits = (part: string): boolean => channel.render(part).length <= room;
  return fits(text) ? [text] : splitText(text, fits);
}
