import type { Database } from "better-sqlite3";
import type { Spent, UsageLog, UsageTotals } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";

export function createUsage(db: Database, now: () => number): UsageLog {
  const reserve = db.prepare(
    `INSERT INTO usage (at, address, sender, model, state, input_tokens, cached_tokens, output_tokens, usd)
     VALUES (?, ?, ?, ?, 'reserved', ?, 0, 0, ?)`,
  );
  const settle = db.prepare(
    `UPDATE usage SET state = 'settled', input_tokens = ?, cached_tokens = ?, output_tokens = ?, usd = ?, model = ? WHERE id = ?`,
  );
  const release = db.prepare("DELETE FROM usage WHERE id = ?");
  const where = "at >= @since AND (@address IS NULL OR address = @address)";
  const spent = db.prepare(
    `SELECT COALESCE(SUM(input_tokens + output_tokens), 0) AS tokens, COALESCE(SUM(usd), 0) AS usd
     FROM usage WHERE ${where}`,
  );
  const totals = db.prepare(
    `SELECT model, COUNT(*) AS calls, SUM(input_tokens) AS inputTokens, SUM(cached_tokens) AS cachedInputTokens,
       SUM(output_tokens) AS outputTokens, SUM(input_tokens + output_tokens) AS tokens, SUM(usd) AS usd
     FROM usage WHERE ${where} GROUP BY model ORDER BY usd DESC, tokens DESC`,
  );
  return {
    reserve: ({ at, sender, model }, tokens, usd) =>
      Number(reserve.run(now(), addressKey(at), sender, model, tokens, usd).lastInsertRowid),
    settle: (id, usage, usd, model) =>
      void settle.run(
        usage.inputTokens,
        usage.cachedInputTokens,
        usage.outputTokens,
        usd,
        model,
        id,
      ),
    release: (id) => void release.run(id),
    spent: (since, at) => spent.get({ since, address: at ? addressKey(at) : null }) as Spent,
    totals: (since, at) =>
      totals.all({ since, address: at ? addressKey(at) : null }) as UsageTotals[],
  };
}
