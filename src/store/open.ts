import Database from "better-sqlite3";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { StateError } from "../contracts/errors.ts";
import type { Store } from "../contracts/store.ts";
import { createCalls } from "./calls.ts";
import { createHistory } from "./history.ts";
import { createInbox } from "./inbox.ts";
import { createMedia } from "./media.ts";
import { migrate } from "./migrations.ts";
import { createOutbox } from "./outbox.ts";
import { createPeople } from "./people.ts";
import { createPrune } from "./prune.ts";
import { createSettings } from "./settings.ts";
import { createUsage } from "./usage.ts";

export interface StoreOptions {
  /** The state folder, made if missing (0700). */
  readonly folder: string;
  /** Epoch ms. */
  readonly now?: () => number;
}

/** Opens, and if need be creates or migrates, the state. */
export function openStore({ folder, now = Date.now }: StoreOptions): Store {
  return guarded(folder, () => {
    const db = openDatabase(folder);
    migrate(db);
    const media = createMedia(db, now);
    const parts = {
      inbox: createInbox(db, now),
      outbox: createOutbox(db, media, now),
      history: createHistory(db, media, now),
      calls: createCalls(db, now),
      people: createPeople(db, now),
      usage: createUsage(db, now),
      settings: createSettings(db),
    };
    const swiftly = createSwiftly(db);
    const prune = createPrune(db, now);
    const version = db.prepare("PRAGMA data_version").pluck();
    return {
      inbox: guardAll(folder, parts.inbox),
      outbox: guardAll(folder, parts.outbox),
      history: guardAll(folder, parts.history),
      calls: guardAll(folder, parts.calls),
      people: guardAll(folder, parts.people),
      usage: guardAll(folder, parts.usage),
      settings: guardAll(folder, parts.settings),
      transaction: (work) => guarded(folder, () => db.transaction(work).immediate()),
      swiftly: (work) => guarded(folder, () => swiftly(work)),
      prune: (limit) => guarded(folder, () => prune(limit)),
      foreignVersion: () => version.get() as number,
      close: () => void db.close(),
    };
  });
}

/** The mode of waiting can only be changed between transactions; inside of one, the outermost decides. */
function createSwiftly(db: Database.Database): <T>(work: () => T) => T {
  const normal = db.prepare("PRAGMA synchronous = NORMAL");
  const full = db.prepare("PRAGMA synchronous = FULL");
  return (work) => {
    if (db.inTransaction) return work();
    normal.run();
    try {
      return db.transaction(work).immediate();
    } finally {
      full.run();
    }
  };
}

/** The database, with the settings that make every commit durable. */
function openDatabase(folder: string): Database.Database {
  makeFolder(folder);
  const file = join(folder, "barnacle.db");
  keepPrivate(file);
  const db = new Database(file, { timeout: 5000 });
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  // Small on purpose: the working set is a few rows, and an idle bot should weigh little.
  db.pragma("cache_size = -1024");
  return db;
}

/** The folder may have been made by somebody else, open to all. What SQLite writes beside its file has the file's mode. */
function keepPrivate(file: string): void {
  if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
  try {
    if ((statSync(file).mode & 0o077) === 0) return;
    for (const suffix of ["", "-wal", "-shm"]) {
      if (existsSync(file + suffix)) chmodSync(file + suffix, 0o600);
    }
  } catch {
    // Somebody else's file, or a read-only disk: whether it can be used shows next.
  }
}

/** The state folder, for this user alone. */
export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Every SQLite failure becomes a sentence; the statement or transaction that failed has changed nothing. */
export function guarded<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw stateError(folder, error) ?? error;
  }
}

function guardAll<T extends object>(folder: string, part: T): T {
  const guardedPart: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(part) as [
    string,
    (...args: unknown[]) => unknown,
  ][]) {
    guardedPart[name] = (...args: unknown[]) => guarded(folder, () => method(...args));
  }
  return guardedPart as T;
}

function stateError(folder: string, error: unknown): StateError | undefined {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const explain = (what: string): StateError =>
    new StateError(`The state in ${folder} cannot be written: ${what}`, { cause: error });
  if (code === "SQLITE_FULL" || code === "ENOSPC") {
    return explain("the disk is full. Free some space; everything goes on by itself.");
  }
  if (code.startsWith("SQLITE_READONLY") || code === "EROFS") {
    return explain("it is read-only. Make it writable for this user.");
  }
  if (code.startsWith("SQLITE_CANTOPEN") || code === "EACCES" || code === "EPERM") {
    return explain("it cannot be opened. Check that the folder exists and belongs to this user.");
  }
  if (code.startsWith("SQLITE_IOERR")) {
    return explain("the disk reports errors or is full. Check the disk; nothing was changed.");
  }
  if (code.startsWith("SQLITE_BUSY")) {
    return explain(
      "another process holds it. Stop the other one, or give this one its own --state.",
    );
  }
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") {
    return explain("the file is damaged. Restore a backup of the state folder.");
  }
  return undefined;
}
