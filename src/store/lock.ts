import { setTimeout as delay } from "node:timers/promises";
import { openDatabase } from "./open.ts";

/**
 * Keeps a second gateway off the same state. The lock is an open exclusive transaction, so the kernel lets go of
 * it with the process, however that ends. Waits `patienceMs` for a dying predecessor; returns the release, or
 * undefined when somebody else holds it.
 */
export async function lockState(
  folder: string,
  nativeBinding?: string,
  patienceMs = 2000,
): Promise<(() => void) | undefined> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const release = tryLock(folder, nativeBinding);
    if (release !== undefined) return release;
    if (performance.now() > giveUpAt) return undefined;
    await delay(50);
  }
}

function tryLock(folder: string, nativeBinding: string | undefined): (() => void) | undefined {
  const db = openDatabase(folder, "lock.db", nativeBinding, { timeoutMs: 0, journal: "DELETE" });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (error instanceof Error && "code" in error && error.code === "SQLITE_BUSY") return undefined;
    throw error;
  }
  return () => void db.close();
}
