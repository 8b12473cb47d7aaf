import { setTimeout as timeout } from "node:timers/promises";

/** Waits, or rejects with the signal's reason as soon as it is aborted. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await timeout(ms, undefined, { signal });
}
