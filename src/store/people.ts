import type { Database } from "better-sqlite3";
import type { People, Person, Standing } from "../contracts/store.ts";

interface Row {
  number: number;
  channel: string;
  id: string;
  name: string;
  standing: string;
  chat: string | null;
  told_at: number;
  since: number;
}

export function createPeople(db: Database, now: () => number): People {
  const find = db.prepare("SELECT * FROM people WHERE channel = ? AND id = ?");
  const byNumber = db.prepare("SELECT * FROM people WHERE number = ?");
  const list = db.prepare("SELECT * FROM people ORDER BY number");
  const put = db.prepare(
    `INSERT INTO people (channel, id, name, standing, since) VALUES (@channel, @id, @name, @standing, @now)
     ON CONFLICT (channel, id) DO UPDATE SET name = @name, standing = @standing,
       since = CASE WHEN standing = @standing THEN since ELSE @now END`,
  );
  const sawChat = db.prepare(
    "UPDATE people SET chat = ? WHERE channel = ? AND id = ? AND chat IS NOT ?",
  );
  const told = db.prepare("UPDATE people SET told_at = ? WHERE channel = ? AND id = ?");
  const unknown = db
    .prepare("SELECT COUNT(*) FROM people WHERE standing IN ('asked', 'stranger')")
    .pluck();
  const code = db
    .prepare("SELECT value FROM settings WHERE scope = 'people' AND key = 'ownership_code'")
    .pluck();
  const setCode = db.prepare(
    `INSERT INTO settings (scope, key, value) VALUES ('people', 'ownership_code', ?)
     ON CONFLICT DO UPDATE SET value = excluded.value`,
  );
  const dropCode = db.prepare(
    "DELETE FROM settings WHERE scope = 'people' AND key = 'ownership_code'",
  );

  const get = (channel: string, id: string): Person | undefined => {
    const row = find.get(channel, id) as Row | undefined;
    return row && toPerson(row);
  };

  return {
    find: get,
    byNumber(number) {
      const row = byNumber.get(number) as Row | undefined;
      return row && toPerson(row);
    },
    list: () => (list.all() as Row[]).map(toPerson),
    put(person) {
      put.run({ ...person, now: now() });
      return get(person.channel, person.id) as Person;
    },
    sawChat: (channel, id, chat) => void sawChat.run(chat, channel, id, chat),
    told: (channel, id) => void told.run(now(), channel, id),
    countUnknown: () => unknown.get() as number,
    erase: db.transaction((channel: string, id: string) => erase(db, channel, id)),
    ownershipCode: () => code.get() as string | undefined,
    setOwnershipCode(value) {
      if (value === undefined) dropCode.run();
      else setCode.run(value);
    },
  };
}

/**
 * Removes what a person said and what was answered: their messages everywhere, their turns in rooms, and the whole
 * of any conversation in which nobody else spoke (their private chat).
 */
function erase(db: Database, channel: string, id: string): number {
  const theirs = "SELECT seq FROM inbox WHERE channel = ? AND sender_id = ?";
  const run = (sql: string, ...params: unknown[]): number => db.prepare(sql).run(...params).changes;
  const rows = `SELECT seq FROM history WHERE inbox_seq IN (${theirs})`;
  let removed = 0;
  // A summary may speak of them: it goes with its conversation's every other summary.
  removed += run(
    `DELETE FROM history WHERE role = 'summary' AND address IN (SELECT address FROM inbox WHERE channel = ? AND sender_id = ?)`,
    channel,
    id,
  );
  run(
    `DELETE FROM media WHERE id IN (
       SELECT json_extract(part.value, '$.media') FROM history, json_each(history.body, '$.content') AS part
       WHERE history.role IN ('user', 'tool') AND history.inbox_seq IN (${theirs}))`,
    channel,
    id,
  );
  run(`DELETE FROM history_words WHERE rowid IN (${rows})`, channel, id);
  removed += run(`DELETE FROM calls WHERE history_seq IN (${rows})`, channel, id);
  removed += run(`DELETE FROM history WHERE inbox_seq IN (${theirs})`, channel, id);
  run(
    `DELETE FROM media WHERE id IN (
       SELECT json_extract(file.value, '$.media') FROM outbox, json_each(outbox.body, '$.files') AS file
       WHERE outbox.inbox_seq IN (${theirs}))`,
    channel,
    id,
  );
  removed += run(`DELETE FROM outbox WHERE inbox_seq IN (${theirs})`, channel, id);
  removed += run("DELETE FROM inbox WHERE channel = ? AND sender_id = ?", channel, id);
  removed += run("DELETE FROM people WHERE channel = ? AND id = ?", channel, id);
  removed += run("UPDATE usage SET sender = 'erased' WHERE sender = ?", `${channel}/${id}`);
  return removed;
}

function toPerson(row: Row): Person {
  return {
    number: row.number,
    channel: row.channel,
    id: row.id,
    name: row.name,
    standing: row.standing as Standing,
    chat: row.chat ?? undefined,
    toldAt: row.told_at,
    since: row.since,
  };
}
