import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../contracts/store.ts";
import { openStore } from "../store/open.ts";
import { lockState } from "../store/lock.ts";
import { CliError, exitCodes } from "./output.ts";
import type { Paths } from "./paths.ts";

/** The state of a bot, beside a gateway that may be running. Refuses to make a new one: that would answer for nothing. */
export function withState<T>(paths: Paths, work: (store: Store) => T): T {
  if (!existsSync(join(paths.state, "barnacle.db"))) {
    throw new CliError(
      `There is no state in ${paths.state} yet: no gateway has run there. Name another folder with --state DIR.`,
      "no-state",
      exitCodes.preflight,
    );
  }
  const store = openStore({ folder: paths.state });
  try {
    return work(store);
  } finally {
    store.close();
  }
}

/** The state for a gateway of our own. The lock ends with the process at the latest. */
export async function openLockedState(
  folder: string,
): Promise<{ readonly store: Store; readonly close: () => void }> {
  const release = await lockState(folder);
  if (release === undefined) {
    throw new CliError(
      `Another gateway works on ${folder}. Stop it, or give this one a folder of its own with --state DIR.`,
      "locked",
      exitCodes.locked,
    );
  }
  const store = openStore({ folder });
  return {
    store,
    close() {
      store.close();
      release();
    },
  };
}
