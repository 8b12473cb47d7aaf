export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Milliseconds before try number `attempt` (1 is the first retry): doubling, capped, a quarter of it random. */
export function backoffMs(attempt: number, { firstMs, maxMs }: BackoffOptions): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.max(0, attempt - 1));
  return Math.round(full * (0.75 + Math.random() * 0.25));
}
