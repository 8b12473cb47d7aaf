import type { Database } from "better-sqlite3";
import type { AssistantTurn, Content, ToolTurn, Turn, UserTurn } from "../contracts/model.ts";
import type { History, HistoryRow } from "../contracts/store.ts";
import { addressKey, parseAddressKey } from "../lib/address.ts";
import type { Media } from "./media.ts";

interface Row {
  seq: number;
  inbox_seq: number;
  body: string;
  tokens: number;
  created_at: number;
}

const columns = "seq, inbox_seq, body, tokens, created_at";
const turns = "role IN ('user', 'assistant', 'tool')";
/** More pictures than this weigh more than they tell, in memory and in the request. */
const maxPictures = 8;
/** Left out so many at a time, so that providers' prompt caches hold for a while. */
const leaveOutAtOnce = 4;

export function createHistory(db: Database, media: Media, now: () => number): History {
  const insert = db.prepare(
    `INSERT INTO history (address, inbox_seq, role, body, up_to, tokens, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const index = db.prepare("INSERT INTO history_words (rowid, words) VALUES (?, ?)");
  const lastMark = db.prepare(
    // The condition on both roles is what lets SQLite use the index of marks.
    "SELECT seq, body, up_to, tokens FROM history WHERE address = ? AND role IN ('summary', 'anew') AND role = ? ORDER BY seq DESC LIMIT 1",
  );
  const since = db.prepare(
    `SELECT ${columns} FROM history WHERE address = ? AND seq > ? AND ${turns} ORDER BY seq`,
  );
  const ofMessage = db.prepare(
    `SELECT ${columns} FROM history WHERE inbox_seq = ? AND ${turns} ORDER BY seq`,
  );
  const progress = db.prepare("UPDATE inbox SET attempts = 0 WHERE seq = ?");
  const search = db.prepare(
    `SELECT history.seq, role, body, created_at FROM history_words
     JOIN history ON history.seq = history_words.rowid
     WHERE history_words MATCH ? AND address = ? ORDER BY rank LIMIT ?`,
  );
  const sessions = db.prepare(
    `SELECT address, COUNT(*) AS turns, MAX(created_at) AS last_at FROM history
     WHERE ${turns} GROUP BY address ORDER BY last_at DESC`,
  );

  type Mark = { seq: number; body: string; up_to: number | null; tokens: number } | undefined;
  const mark = (key: string, role: "summary" | "anew"): Mark => lastMark.get(key, role) as Mark;
  const toRow = (row: Row, turn: StoredTurn, load: LoadPicture): HistoryRow => ({
    seq: row.seq,
    inboxSeq: row.inbox_seq,
    turn: withPictures(turn, load),
    tokens: row.tokens,
    createdAt: row.created_at,
  });
  const load: LoadPicture = ({ mediaType, media: id }) => {
    const data = id === undefined ? undefined : media.get(id);
    if (data === undefined) return { type: "text", text: "[a picture that is no longer kept]" };
    return { type: "image", mediaType, data };
  };
  const whole = (row: Row): HistoryRow => toRow(row, parse(row), load);

  /** With the newest pictures only; a place is kept for each of the others. */
  const withNewestPictures = (rows: readonly Row[]): HistoryRow[] => {
    const parsed = rows.map((row) => [row, parse(row)] as const);
    const pictures = parsed.reduce((sum, [, turn]) => sum + countPictures(turn), 0);
    const tooMany = Math.max(0, pictures - maxPictures);
    let leftOut = Math.ceil(tooMany / leaveOutAtOnce) * leaveOutAtOnce;
    return parsed.map(([row, turn]) =>
      toRow(row, turn, (picture) => {
        if (leftOut === 0) return load(picture);
        leftOut -= 1;
        return { type: "text", text: "[an older picture, left out to save room]" };
      }),
    );
  };

  const append = db.transaction(
    (key: string, inboxSeq: number, turn: Turn, tokens: number): HistoryRow => {
      const createdAt = now();
      const body = toBody(turn, media);
      const { lastInsertRowid } = insert.run(
        key,
        inboxSeq,
        turn.role,
        body,
        null,
        tokens,
        createdAt,
      );
      index.run(lastInsertRowid, wordsOf(turn));
      // What a model or a tool has answered is progress: only tries in a row without any count against a message.
      if (turn.role !== "user") progress.run(inboxSeq);
      return { seq: Number(lastInsertRowid), inboxSeq, turn, tokens, createdAt };
    },
  );

  return {
    view(at) {
      const key = addressKey(at);
      const anew = mark(key, "anew")?.seq ?? 0;
      const summary = mark(key, "summary");
      const valid = summary !== undefined && summary.seq > anew ? summary : undefined;
      const from = valid?.up_to ?? anew;
      return {
        summary: valid && {
          text: (JSON.parse(valid.body) as { text: string }).text,
          tokens: valid.tokens,
        },
        rows: withNewestPictures(since.all(key, from) as Row[]),
      };
    },
    ofMessage: (inboxSeq) => (ofMessage.all(inboxSeq) as Row[]).map(whole),
    append: (at, inboxSeq, turn, tokens) => append(addressKey(at), inboxSeq, turn, tokens),
    summarise(at, upToSeq, text, tokens) {
      insert.run(addressKey(at), 0, "summary", JSON.stringify({ text }), upToSeq, tokens, now());
    },
    startAnew(at, inboxSeq) {
      insert.run(addressKey(at), inboxSeq, "anew", "{}", null, 0, now());
    },
    all: (at) =>
      (since.all(addressKey(at), 0) as Row[]).map((row) =>
        toRow(row, parse(row), ({ mediaType }) => ({
          type: "image",
          mediaType,
          data: new Uint8Array(),
        })),
      ),
    search(at, words, limit) {
      const query = words
        .split(/\s+/)
        .filter((word) => word !== "")
        .map((word) => `"${word.replaceAll('"', '""')}"`)
        .join(" ");
      if (query === "") return [];
      type Hit = { seq: number; role: string; body: string; created_at: number };
      return (search.all(query, addressKey(at), limit) as Hit[]).map((hit) => ({
        seq: hit.seq,
        role: hit.role,
        snippet: wordsOf(withPictures(parse(hit), load)).slice(0, 300),
        createdAt: hit.created_at,
      }));
    },
    sessions: () =>
      (sessions.all() as { address: string; turns: number; last_at: number }[]).map((row) => ({
        address: parseAddressKey(row.address),
        turns: row.turns,
        lastAt: row.last_at,
      })),
  };
}

/** Pictures go to the media table, the row keeps their number. */
function toBody(turn: Turn, media: Media): string {
  if (turn.role === "assistant") return JSON.stringify(turn);
  const content = turn.content.map((part) =>
    part.type === "image"
      ? { type: "image", mediaType: part.mediaType, media: media.put(part.mediaType, part.data) }
      : part,
  );
  return JSON.stringify({ ...turn, content });
}

interface StoredPicture {
  readonly type: "image";
  readonly mediaType: string;
  readonly media?: number;
}

type StoredContent = Extract<Content, { type: "text" }> | StoredPicture;

/** A turn as it is written in its row: pictures by their number. */
type StoredTurn =
  | AssistantTurn
  | (Omit<UserTurn, "content"> & { readonly content: readonly StoredContent[] })
  | (Omit<ToolTurn, "content"> & { readonly content: readonly StoredContent[] });

type LoadPicture = (picture: StoredPicture) => Content;

function parse({ body }: { readonly body: string }): StoredTurn {
  return JSON.parse(body) as StoredTurn;
}

function countPictures(turn: StoredTurn): number {
  if (turn.role === "assistant") return 0;
  return turn.content.filter(({ type }) => type === "image").length;
}

function withPictures(turn: StoredTurn, load: LoadPicture): Turn {
  if (turn.role === "assistant") return turn;
  return {
    ...turn,
    content: turn.content.map((part) => (part.type === "text" ? part : load(part))),
  };
}

function wordsOf(turn: Turn): string {
  if (turn.role === "assistant") return turn.text;
  return turn.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
}
