import { randomUUID } from "node:crypto";
import type { Database } from "better-sqlite3";
import type { OutboundFile, OutboundMessage } from "../contracts/message.ts";
import type { Outbox, OutboxRow } from "../contracts/store.ts";
import { addressKey, parseAddressKey } from "../lib/address.ts";
import type { Media } from "./media.ts";

interface Row {
  seq: number;
  key: string;
  address: string;
  body: string;
  attempts: number;
  not_before: number;
  uncertain: number;
  created_at: number;
  inbox_seq: number | null;
}

interface StoredFile {
  readonly name: string;
  readonly mediaType: string;
  readonly media: number;
}

export function createOutbox(db: Database, media: Media, now: () => number): Outbox {
  const insert = db.prepare(
    `INSERT INTO outbox (key, address, inbox_seq, body, state, created_at) VALUES (?, ?, ?, ?, 'pending', ?)`,
  );
  const addresses = db
    .prepare("SELECT DISTINCT address FROM outbox WHERE state IN ('pending', 'sending')")
    .pluck();
  const next = db.prepare(
    `SELECT seq, key, address, body, attempts, not_before, uncertain, created_at, inbox_seq FROM outbox
     WHERE state IN ('pending', 'sending') AND address = ? ORDER BY seq LIMIT 1`,
  );
  const sending = db.prepare(
    "UPDATE outbox SET state = 'sending', attempts = attempts + 1 WHERE key = ?",
  );
  const sent = db.prepare(
    "UPDATE outbox SET state = 'sent', platform_id = ?, error = NULL, settled_at = ? WHERE key = ?",
  );
  const postpone = db.prepare(
    "UPDATE outbox SET state = 'pending', not_before = ?, error = ?, uncertain = uncertain + ? WHERE key = ?",
  );
  const failed = db.prepare(
    "UPDATE outbox SET state = 'failed', error = ?, settled_at = ? WHERE key = ?",
  );
  const recover = db.prepare(
    // The first condition is what lets SQLite use the index.
    "UPDATE outbox SET state = 'pending', uncertain = uncertain + 1 WHERE state IN ('pending', 'sending') AND state = 'sending'",
  );
  const pending = db
    .prepare("SELECT COUNT(*) FROM outbox WHERE state IN ('pending', 'sending')")
    .pluck();

  const add = db.transaction(
    (to: Parameters<Outbox["add"]>[0], message: OutboundMessage, inReplyTo: number | undefined) => {
      const key = randomUUID();
      const files = message.files?.map(({ name, mediaType, data }) => ({
        name,
        mediaType,
        media: media.put(mediaType, data),
      }));
      insert.run(
        key,
        addressKey(to),
        inReplyTo ?? null,
        JSON.stringify({ ...message, files }),
        now(),
      );
      return key;
    },
  );

  const toRow = (row: Row): OutboxRow => {
    const body = JSON.parse(row.body) as Omit<OutboundMessage, "files"> & {
      files?: readonly StoredFile[];
    };
    const files = body.files?.map(({ name, mediaType, media: id }): OutboundFile => ({
      name,
      mediaType,
      data: media.get(id) ?? new Uint8Array(),
    }));
    return {
      key: row.key,
      seq: row.seq,
      address: parseAddressKey(row.address),
      message: { ...body, files },
      attempts: row.attempts,
      notBefore: row.not_before,
      uncertain: row.uncertain > 0,
      createdAt: row.created_at,
      inReplyTo: row.inbox_seq ?? undefined,
    };
  };

  return {
    add: (to, message, inReplyTo) => add(to, message, inReplyTo),
    addresses: () => (addresses.all() as string[]).map(parseAddressKey),
    next(at) {
      const row = next.get(addressKey(at)) as Row | undefined;
      return row && toRow(row);
    },
    sending: (key) => void sending.run(key),
    sent: (key, platformId) => void sent.run(platformId, now(), key),
    postpone: (key, notBefore, error, uncertain) =>
      void postpone.run(notBefore, error, uncertain ? 1 : 0, key),
    failed: (key, error) => void failed.run(error, now(), key),
    recover: () => recover.run().changes,
    pending: () => pending.get() as number,
  };
}
