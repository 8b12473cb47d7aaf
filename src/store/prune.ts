import type { Database } from "better-sqlite3";

const dayMs = 24 * 60 * 60_000;
/** Platforms redeliver for a day or two; longer nobody asks whether a message was known. */
const keepSilentMs = 7 * dayMs;
const keepSentMs = 7 * dayMs;
const keepMediaMs = 30 * dayMs;
const keepUnansweredAskersMs = 30 * dayMs;
const keepCallsMs = 90 * dayMs;
const keepUsageMs = 400 * dayMs;

/**
 * Removes what need not be kept for ever: what was left silent, what has been sent, pictures and files (the words
 * stay), strangers on whom the owner gave no word, old records of tool calls and of usage. Returns how many rows; at
 * most `limit` of each kind, so that it is soon over.
 */
export function createPrune(db: Database, now: () => number): (limit: number) => number {
  const steps: readonly (readonly [keepMs: number, sql: string])[] = [
    [
      keepSilentMs,
      `DELETE FROM inbox WHERE seq IN (SELECT seq FROM inbox
         WHERE state IN ('ignored', 'replaced') AND settled_at < @before
           AND NOT EXISTS (SELECT 1 FROM history WHERE inbox_seq = inbox.seq) LIMIT @limit)`,
    ],
    [
      keepSentMs,
      `DELETE FROM media WHERE id IN (
         SELECT json_extract(file.value, '$.media') FROM
           (SELECT body FROM outbox WHERE state IN ('sent', 'failed') AND settled_at < @before
            ORDER BY settled_at LIMIT @limit) AS old, json_each(old.body, '$.files') AS file)`,
    ],
    [
      keepSentMs,
      `DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox
         WHERE state IN ('sent', 'failed') AND settled_at < @before ORDER BY settled_at LIMIT @limit)`,
    ],
    [
      keepMediaMs,
      `DELETE FROM media WHERE id IN (SELECT id FROM media WHERE created_at < @before LIMIT @limit)
         AND id NOT IN (SELECT json_extract(file.value, '$.media')
           FROM outbox, json_each(outbox.body, '$.files') AS file WHERE state IN ('pending', 'sending'))`,
    ],
    [
      keepUnansweredAskersMs,
      `UPDATE inbox SET state = 'ignored', settled_at = @now WHERE state IN ('waiting', 'running', 'held')
         AND state = 'held' AND accepted_at < @before AND @limit > 0`,
    ],
    [
      keepUnansweredAskersMs,
      `DELETE FROM people WHERE standing IN ('asked', 'stranger') AND told_at < @before AND @limit > 0`,
    ],
    [
      keepCallsMs,
      `DELETE FROM calls WHERE rowid IN (SELECT rowid FROM calls WHERE ended_at < @before LIMIT @limit)`,
    ],
    [
      keepUsageMs,
      `DELETE FROM usage WHERE id IN (SELECT id FROM usage WHERE at < @before LIMIT @limit)`,
    ],
  ];
  return (limit) => {
    const time = now();
    return db.transaction(() =>
      steps.reduce((removed, [keepMs, sql]) => {
        const values = { before: time - keepMs, now: time, limit };
        return removed + db.prepare(sql).run(values).changes;
      }, 0),
    )();
  };
}
