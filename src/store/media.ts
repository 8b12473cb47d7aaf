import type { Database } from "better-sqlite3";

/** Pictures and files, kept apart from the rows that name them so that they can be dropped by age. */
export interface Media {
  put(mediaType: string, data: Uint8Array): number;
  get(id: number): Uint8Array | undefined;
}

export function createMedia(db: Database, now: () => number): Media {
  const insert = db.prepare("INSERT INTO media (media_type, data, created_at) VALUES (?, ?, ?)");
  const select = db.prepare("SELECT data FROM media WHERE id = ?").pluck();
  return {
    put: (mediaType, data) =>
      Number(insert.run(mediaType, Buffer.from(data), now()).lastInsertRowid),
    get: (id) => select.get(id) as Uint8Array | undefined,
  };
}
