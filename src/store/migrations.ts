import type { Database } from "better-sqlite3";

/**
 * Numbered steps, each in its own transaction; a released one is never edited. The previous release must still be
 * able to read what a step leaves: columns and tables are added, not renamed or dropped.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE inbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    place       INTEGER NOT NULL DEFAULT 0,    -- order of answering: an edit takes the place of what it replaces
    channel     TEXT NOT NULL,
    chat        TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    version     INTEGER NOT NULL,
    address     TEXT NOT NULL,
    sender_id   TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL DEFAULT 0,
    error       TEXT,
    body        TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    settled_at  INTEGER,
    UNIQUE (channel, chat, message_id, version)
  ) STRICT;
  CREATE INDEX inbox_open ON inbox (state, address, place) WHERE state IN ('waiting', 'running', 'held');
  CREATE INDEX inbox_failed ON inbox (seq) WHERE state = 'failed';
  CREATE INDEX inbox_sender ON inbox (channel, sender_id);

  CREATE TABLE outbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT NOT NULL UNIQUE,
    address     TEXT NOT NULL,
    inbox_seq   INTEGER,
    body        TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL DEFAULT 0,
    uncertain   INTEGER NOT NULL DEFAULT 0,
    platform_id TEXT,
    error       TEXT,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER
  ) STRICT;
  CREATE INDEX outbox_open ON outbox (address, seq) WHERE state IN ('pending', 'sending');

  CREATE TABLE media (
    id         INTEGER PRIMARY KEY,
    media_type TEXT NOT NULL,
    data       BLOB NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE history (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    address    TEXT NOT NULL,
    inbox_seq  INTEGER NOT NULL,
    role       TEXT NOT NULL,                  -- user, assistant, tool; summary (compaction); anew (/new)
    body       TEXT NOT NULL,
    up_to      INTEGER,                        -- of a summary: the last row that it stands for
    tokens     INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX history_address ON history (address, seq);
  CREATE INDEX history_inbox ON history (inbox_seq);
  CREATE INDEX history_marks ON history (address, role, seq) WHERE role IN ('summary', 'anew');
  CREATE VIRTUAL TABLE history_words USING fts5 (words, content = '', contentless_delete = 1);

  CREATE TABLE calls (
    history_seq INTEGER NOT NULL,
    call_id     TEXT NOT NULL,
    address     TEXT NOT NULL,
    name        TEXT NOT NULL,
    effect      TEXT NOT NULL,
    input       TEXT NOT NULL,
    state       TEXT NOT NULL,
    begun_at    INTEGER NOT NULL,
    ended_at    INTEGER,
    PRIMARY KEY (history_seq, call_id)
  ) STRICT;

  CREATE TABLE people (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    channel  TEXT NOT NULL,
    id       TEXT NOT NULL,
    name     TEXT NOT NULL,
    standing TEXT NOT NULL,
    chat     TEXT,
    told_at  INTEGER NOT NULL DEFAULT 0,
    since    INTEGER NOT NULL,
    UNIQUE (channel, id)
  ) STRICT;

  CREATE TABLE usage (
    id            INTEGER PRIMARY KEY,
    at            INTEGER NOT NULL,
    address       TEXT NOT NULL,
    sender        TEXT NOT NULL,
    model         TEXT NOT NULL,
    state         TEXT NOT NULL,
    input_tokens  INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    usd           REAL NOT NULL
  ) STRICT;
  CREATE INDEX usage_at ON usage (at);

  CREATE TABLE settings (
    scope TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, key)
  ) STRICT, WITHOUT ROWID;
  `,
  // What is removed by age is found by age.
  `
  CREATE INDEX IF NOT EXISTS inbox_silent ON inbox (settled_at) WHERE state IN ('ignored', 'replaced');
  CREATE INDEX IF NOT EXISTS outbox_done ON outbox (settled_at) WHERE state IN ('sent', 'failed');
  CREATE INDEX IF NOT EXISTS media_age ON media (created_at);
  CREATE INDEX IF NOT EXISTS calls_age ON calls (ended_at) WHERE ended_at IS NOT NULL;
  `,
];

/** Brings a database up to date. Refuses one that a later release has already changed. */
export function migrate(db: Database): void {
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version > migrations.length) {
    throw new Error(
      `The state was written by a newer release (schema ${version}, this one knows ${migrations.length}). Run that release, or restore a backup.`,
    );
  }
  for (let next = version; next < migrations.length; next += 1) {
    db.transaction(() => {
      db.exec(migrations[next] ?? "");
      db.pragma(`user_version = ${next + 1}`);
    }).immediate();
  }
}
