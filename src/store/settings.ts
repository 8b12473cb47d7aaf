import type { Database } from "better-sqlite3";
import type { Settings } from "../contracts/store.ts";

export function createSettings(db: Database): Settings {
  const get = db.prepare("SELECT value FROM settings WHERE scope = ? AND key = ?").pluck();
  const set = db.prepare(
    `INSERT INTO settings (scope, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`,
  );
  const drop = db.prepare("DELETE FROM settings WHERE scope = ? AND key = ?");
  return {
    get: (scope, key) => get.get(scope, key) as string | undefined,
    set(scope, key, value) {
      if (value === undefined) drop.run(scope, key);
      else set.run(scope, key, value);
    },
  };
}
