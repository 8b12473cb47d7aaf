import type { Database } from "better-sqlite3";
import type { InboundMessage } from "../contracts/message.ts";
import type { Inbox, InboxRow, InboxState } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";

interface Row {
  seq: number;
  state: string;
  attempts: number;
  not_before: number;
  error: string | null;
  body: string;
}

const columns = "seq, state, attempts, not_before, error, body";
const states: readonly InboxState[] = [
  "waiting",
  "running",
  "held",
  "answered",
  "failed",
  "ignored",
  "replaced",
];

export function createInbox(db: Database, now: () => number): Inbox {
  const insert = db.prepare(
    `INSERT INTO inbox (place, channel, chat, message_id, version, address, sender_id, state, body, accepted_at, settled_at)
     VALUES (@place, @channel, @chat, @messageId, @version, @address, @senderId, @state, @body, @now, @settledAt)
     ON CONFLICT DO NOTHING`,
  );
  const versions = db.prepare(
    `SELECT ${columns}, version, place FROM inbox WHERE channel = ? AND chat = ? AND message_id = ? ORDER BY version DESC`,
  );
  const find = db.prepare(
    `SELECT ${columns} FROM inbox WHERE channel = ? AND chat = ? AND message_id = ? AND version = ?`,
  );
  const place = db.prepare("UPDATE inbox SET place = seq WHERE seq = ?");
  // SQLite takes a partial index only where the query repeats its condition word by word: without it every message
  // would read the whole inbox of all time.
  const open = "state IN ('waiting', 'running', 'held')";
  const replace = db.prepare(
    "UPDATE inbox SET state = 'replaced', settled_at = ? WHERE seq = ? AND state IN ('waiting', 'held')",
  );
  const select = db.prepare(`SELECT ${columns} FROM inbox WHERE seq = ?`);
  const heads = db.prepare(
    `SELECT ${columns} FROM inbox AS head WHERE ${open} AND state = 'waiting' AND place =
       (SELECT MIN(place) FROM inbox WHERE ${open} AND state = 'waiting' AND address = head.address)
     ORDER BY place`,
  );
  const waiting = db
    .prepare(
      `SELECT COUNT(*) FROM inbox WHERE ${open} AND state IN ('waiting', 'running') AND address = ?`,
    )
    .pluck();
  const claim = db.prepare(
    "UPDATE inbox SET state = 'running', attempts = attempts + 1 WHERE seq = ?",
  );
  const postpone = db.prepare(
    "UPDATE inbox SET state = 'waiting', not_before = ?, error = ? WHERE seq = ?",
  );
  const unclaim = db.prepare(
    "UPDATE inbox SET state = 'waiting', attempts = MAX(0, attempts - 1) WHERE seq = ? AND state = 'running'",
  );
  const settle = db.prepare("UPDATE inbox SET state = ?, error = ?, settled_at = ? WHERE seq = ?");
  const recover = db.prepare(
    `UPDATE inbox SET state = 'waiting' WHERE ${open} AND state = 'running'`,
  );
  const release = db.prepare(
    `UPDATE inbox SET state = @outcome, settled_at = CASE WHEN @outcome = 'waiting' THEN NULL ELSE @now END
     WHERE state = 'held' AND channel = @channel AND sender_id = @senderId`,
  );
  const failed = db.prepare(
    `SELECT ${columns} FROM inbox WHERE state = 'failed' ORDER BY seq DESC LIMIT ?`,
  );
  const retry = db.prepare(
    "UPDATE inbox SET state = 'waiting', attempts = 0, not_before = 0, settled_at = NULL WHERE seq = ? AND state = 'failed'",
  );
  const counts = db.prepare("SELECT state, COUNT(*) AS count FROM inbox GROUP BY state");

  const accept = db.transaction((message: InboundMessage, wanted: InboxState) => {
    const { address, id } = message;
    const earlier = versions.all(address.channel, address.chat, id) as (Row & {
      version: number;
      place: number;
    })[];
    const newest = earlier[0];
    if (newest !== undefined && newest.version > message.version) return undefined;
    // Platforms also send an "edit" when they add a preview to a link: nothing new was said.
    if (newest !== undefined && saysTheSame(fromBody(newest.body), message)) return undefined;
    const isSameTime = newest?.version === message.version;
    // What was never edited has one text; of edits, two may fall into one second of Telegram's clock.
    if (isSameTime && message.version === 0) return undefined;
    const version = isSameTime ? message.version + 1 : message.version;
    // Whoever waits for the owner's word may still correct what was said: it is held in the place of the former.
    const state = newest?.state === "held" && wanted === "ignored" ? "held" : wanted;
    const replaced = newest !== undefined && replace.run(now(), newest.seq).changes === 1;
    const settled = state !== "waiting" && state !== "held" && state !== "running";
    const { lastInsertRowid } = insert.run({
      place: replaced ? newest.place : 0,
      channel: address.channel,
      chat: address.chat,
      messageId: id,
      version,
      address: addressKey(address),
      senderId: message.sender.id,
      state,
      // What is left silent is not kept: only the decision is.
      body: toBody(
        state === "ignored"
          ? { ...message, text: "", attachments: [], quoted: undefined }
          : message,
      ),
      now: now(),
      settledAt: settled ? now() : null,
    });
    if (!replaced) place.run(lastInsertRowid);
    return toRow(select.get(lastInsertRowid) as Row);
  });

  return {
    accept: (message, state) => accept(message, state),
    get(seq) {
      const row = select.get(seq) as Row | undefined;
      return row && toRow(row);
    },
    find({ address, id, version }) {
      const row = find.get(address.channel, address.chat, id, version) as Row | undefined;
      return row && toRow(row);
    },
    heads: () => (heads.all() as Row[]).map(toRow),
    waitingAt: (address) => waiting.get(addressKey(address)) as number,
    claim(seq) {
      claim.run(seq);
      return toRow(select.get(seq) as Row);
    },
    postpone: (seq, notBefore, error) => void postpone.run(notBefore, error, seq),
    unclaim: (seq) => void unclaim.run(seq),
    settle: (seq, outcome, error) => void settle.run(outcome, error ?? null, now(), seq),
    recover: () => recover.run().changes,
    release: (channel, senderId, outcome) =>
      void release.run({ channel, senderId, outcome, now: now() }),
    failed: (limit) => (failed.all(limit) as Row[]).map(toRow),
    retry: (seq) => retry.run(seq).changes === 1,
    counts() {
      const found = Object.fromEntries(
        (counts.all() as { state: string; count: number }[]).map(({ state, count }) => [
          state,
          count,
        ]),
      );
      return Object.fromEntries(states.map((state) => [state, found[state] ?? 0])) as Record<
        InboxState,
        number
      >;
    },
  };
}

function toRow(row: Row): InboxRow {
  return {
    seq: row.seq,
    message: fromBody(row.body),
    state: row.state as InboxState,
    attempts: row.attempts,
    notBefore: row.not_before,
    error: row.error ?? undefined,
  };
}

/** Words and files; how a platform refers to a file may change from one time to the next. */
function saysTheSame(one: InboundMessage, other: InboundMessage): boolean {
  const said = ({ text, attachments }: InboundMessage): string =>
    JSON.stringify([text, attachments.map(({ name, size }) => [name, size])]);
  return said(one) === said(other);
}

function toBody(message: InboundMessage): string {
  return JSON.stringify(message);
}

function fromBody(body: string): InboundMessage {
  const message = JSON.parse(body) as Omit<InboundMessage, "sentAt"> & { sentAt: string };
  return { ...message, sentAt: new Date(message.sentAt) };
}
