/** Waits for work that takes no signal itself. Rejects with the signal's reason as soon as it is aborted; the work goes on unseen. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    // Lost to the abort, it may still fail, and nobody is left to hear of it.
    work.catch(() => undefined);
  }
}
