import type { Database } from "better-sqlite3";
import type { Calls } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";

export function createCalls(db: Database, now: () => number): Calls {
  const begin = db.prepare(
    `INSERT INTO calls (history_seq, call_id, address, name, effect, input, state, begun_at)
     VALUES (?, ?, ?, ?, ?, ?, 'begun', ?)`,
  );
  const end = db.prepare(
    "UPDATE calls SET state = ?, ended_at = ? WHERE history_seq = ? AND call_id = ?",
  );
  const begun = db
    .prepare("SELECT 1 FROM calls WHERE history_seq = ? AND call_id = ? AND state = 'begun'")
    .pluck();
  return {
    begin: (historySeq, call, at, effect) =>
      void begin.run(
        historySeq,
        call.id,
        addressKey(at),
        call.name,
        effect,
        call.malformed ?? JSON.stringify(call.input ?? null),
        now(),
      ),
    end: (historySeq, callId, failed) =>
      void end.run(failed ? "failed" : "ended", now(), historySeq, callId),
    isInterrupted: (historySeq, callId) => begun.get(historySeq, callId) !== undefined,
  };
}
