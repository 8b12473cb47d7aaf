import { spawnSync } from "node:child_process";
import { existsSync, openSync, realpathSync } from "node:fs";
import type { Confinement } from "../../contracts/sandbox.ts";
import { bubblewrapFile, bubblewrapTrial } from "./bubblewrap.ts";
import { errorText } from "../../lib/error-text.ts";
import { installFilter } from "./filter.ts";
import { codeGrants, existing } from "./grants.ts";
import { landlockAbi, restrict } from "./landlock.ts";
import { closedAncestor, enterPrivateMounts } from "./mounts.ts";
import { type Native, NativeError, openNative } from "./native.ts";

/**
 * Finds out by trying what can confine commands here, and spoils the process that it runs in. `wanted` is "auto" or
 * one way that is asked for by name. "auto" takes Landlock, but for an ordinary user bubblewrap first, where it works:
 * Landlock keeps out of other files' contents, not of the modes and times of those that belong to the same user.
 */
export async function probe(
  wanted: string,
  launcher: string,
  workspace: string | undefined,
): Promise<Confinement> {
  if (wanted === "none") {
    return {
      by: "none",
      runsCommands: false,
      explanation: "Commands are off, because the config asks for no confinement.",
    };
  }
  let native: Native;
  try {
    native = await openNative();
  } catch (error) {
    return nothing(errorText(error));
  }
  const isRoot = process.getuid?.() === 0;
  // Landlock comes last, since trying it takes from this process what trying the other needs.
  const wrapped = wanted === "landlock" ? "is not asked for" : tryBubblewrap(isRoot);
  if (wrapped === undefined && (wanted === "bubblewrap" || !isRoot)) return byBubblewrap;
  const locked =
    wanted === "bubblewrap" ? "is not asked for" : tryLandlock(native, launcher, workspace);
  if (locked === undefined) return isRoot ? byLandlock : byLandlockAlone;
  return wrapped === undefined
    ? byBubblewrap
    : nothing(`Landlock ${locked}; bubblewrap ${wrapped}.`);
}

const byBubblewrap: Confinement = {
  by: "bubblewrap",
  runsCommands: true,
  explanation: "Commands are confined by bubblewrap and a seccomp filter.",
};

const byLandlock: Confinement = {
  by: "landlock",
  runsCommands: true,
  explanation: "Commands are confined by Landlock, a user id of their own and a seccomp filter.",
};

const byLandlockAlone: Confinement = {
  by: "landlock",
  runsCommands: true,
  explanation:
    "Commands are confined by Landlock and a seccomp filter. They cannot read or change other files, but could change " +
    "the modes and times of this user's; where bubblewrap is installed (apt-get install bubblewrap), not even that.",
};

function nothing(reason: string): Confinement {
  return {
    by: "none",
    runsCommands: false,
    explanation:
      `Commands are off, because nothing here can confine them. ${reason} Install bubblewrap (apt-get install ` +
      "bubblewrap), or use a kernel from 5.13 on with Landlock switched on (lsm=landlock,...).",
  };
}

/** Undefined when it works, else what is wrong, to follow the word "Landlock". */
function tryLandlock(
  native: Native,
  launcher: string,
  workspace: string | undefined,
): string | undefined {
  const abi = landlockAbi(native);
  if (abi === 0) return "is missing in this kernel or switched off";
  if (process.getuid?.() === 0) {
    const paths = existing(codeGrants(launcher)).map(({ path }) => path);
    if (workspace !== undefined && existsSync(workspace))
      paths.push(`${realpathSync(workspace)}/x`);
    const closed = paths.map(closedAncestor).find((folder) => folder !== undefined);
    if (enterPrivateMounts(native, []) === undefined && closed !== undefined) {
      return `cannot serve root here, since others may not enter ${closed} and mounting is not allowed`;
    }
  }
  try {
    // Less than forEveryone: this process's own event loop, older than the filter, may be using io_uring.
    installFilter(native, [{ calls: ["socket"] }]);
    restrict(native, [], abi);
  } catch (error) {
    if (error instanceof NativeError) return `was refused (${error.message})`;
    throw error;
  }
  if (!isDenied(() => openSync(launcher, "r"))) return "does not deny what it should";
  const anyFamily = 2;
  if (!isDenied(() => native.call("socket", anyFamily, 1, 0)))
    return "works, but the filter does not";
  return undefined;
}

function isDenied(attempt: () => unknown): boolean {
  try {
    attempt();
    return false;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code === "EACCES" || code === "EPERM";
  }
}

/** Undefined when it works, else what is wrong, to follow the word "bubblewrap". */
function tryBubblewrap(isRoot: boolean): string | undefined {
  if (!existsSync(bubblewrapFile)) return "is not installed";
  const { file, args } = bubblewrapTrial(isRoot);
  const tried = spawnSync(file, args, { timeout: 5000, encoding: "utf8" });
  if (tried.status === 0) return undefined;
  return `does not work here (${(tried.stderr ?? "").trim().split("\n")[0] ?? "no reason given"})`;
}
