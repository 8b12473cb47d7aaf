import Database from "better-sqlite3";
import { join } from "node:path";

export interface InboxRecord {
  readonly seq: number;
  readonly channel: string;
  readonly chat: string;
  readonly message_id: string;
  readonly version: number;
  readonly address: string;
  readonly state: string;
  readonly attempts: number;
  readonly error: string | null;
}

export interface HistoryRecord {
  readonly seq: number;
  readonly address: string;
  readonly inbox_seq: number;
  readonly role: string;
  readonly body: string;
}

export interface OutboxRecord {
  readonly seq: number;
  readonly address: string;
  readonly inbox_seq: number | null;
  readonly body: string;
  readonly state: string;
  readonly attempts: number;
  readonly uncertain: number;
}

/** What the state folder holds, read from outside without changing it. */
export interface StateSnapshot {
  readonly inbox: readonly InboxRecord[];
  readonly history: readonly HistoryRecord[];
  readonly outbox: readonly OutboxRecord[];
  readonly calls: readonly {
    readonly history_seq: number;
    readonly call_id: string;
    readonly state: string;
  }[];
  readonly integrity: string;
}

export function readState(folder: string): StateSnapshot {
  return withState(folder, (db) => ({
    inbox: db.prepare("SELECT * FROM inbox ORDER BY seq").all() as InboxRecord[],
    history: db.prepare("SELECT * FROM history ORDER BY seq").all() as HistoryRecord[],
    outbox: db.prepare("SELECT * FROM outbox ORDER BY seq").all() as OutboxRecord[],
    calls: db.prepare("SELECT * FROM calls").all() as {
      history_seq: number;
      call_id: string;
      state: string;
    }[],
    integrity: String(db.pragma("integrity_check", { simple: true })),
  }));
}

/** How many messages wait or run, and how many replies are not sent. Cheap: for polling. */
export function countUnsettled(folder: string): number {
  return withState(folder, (db) => {
    const count = (sql: string): number => db.prepare(sql).pluck().get() as number;
    return (
      count("SELECT COUNT(*) FROM inbox WHERE state IN ('waiting', 'running')") +
      count("SELECT COUNT(*) FROM outbox WHERE state IN ('pending', 'sending')")
    );
  });
}

function withState<T>(folder: string, read: (db: Database.Database) => T): T {
  const db = new Database(join(folder, "barnacle.db"), { readonly: true, timeout: 5000 });
  try {
    return read(db);
  } finally {
    db.close();
  }
}
