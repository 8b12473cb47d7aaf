import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import Database from "better-sqlite3";
import { guarded, makeFolder } from "./open.ts";

/**
 * Keeps a second gateway off the same state. The lock is an open exclusive transaction, so the kernel lets go of
 * it with the process, however that ends. Waits `patienceMs` for a dying predecessor; returns the release, or
 * undefined when somebody else holds it.
 */
export async function lockState(
  folder: string,
  patienceMs = 2000,
): Promise<(() => void) | undefined> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const release = guarded(folder, () => tryLock(folder));
    if (release !== undefined) return release;
    if (performance.now() > giveUpAt) return undefined;
    await delay(50);
  }
}

function tryLock(folder: string): (() => void) | undefined {
  makeFolder(folder);
  const db = new Database(join(folder, "lock.db"), { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (error instanceof Error && "code" in error && error.code === "SQLITE_BUSY") return undefined;
    throw error;
  }
  return () => void db.close();
}
