import { spawnSync } from "node:child_process";
import { existsSync, openSync, realpathSync } from "node:fs";
import type { Confinement } from "../../contracts/sandbox.ts";
import { bubblewrapFile } from "./bubblewrap.ts";
import { installFilter } from "./filter.ts";
import { codeGrants, existing } from "./grants.ts";
import { landlockAbi, restrict } from "./landlock.ts";
import { closedAncestor, enterPrivateMounts } from "./mounts.ts";
import { type Native, NativeError, openNative } from "./native.ts";

/**
 * Finds out by trying what can confine commands here, and spoils the process that it runs in. `wanted` is "auto" or
 * one way that is asked for by name.
 */
export async function probe(
  wanted: string,
  launcher: string,
  workspace: string | undefined,
): Promise<Confinement> {
  if (wanted === "none") return none("The config asks for no confinement.");
  let native: Native;
  try {
    native = await openNative();
  } catch (error) {
    return none(String(error instanceof Error ? error.message : error));
  }
  const wrapped = wanted === "landlock" ? "is not asked for" : tryBubblewrap();
  const locked =
    wanted === "bubblewrap" ? "is not asked for" : tryLandlock(native, launcher, workspace);
  if (locked === undefined) {
    return {
      by: "landlock",
      runsCommands: true,
      explanation: "Commands are confined by Landlock and a seccomp filter.",
    };
  }
  if (wrapped === undefined) {
    return {
      by: "bubblewrap",
      runsCommands: true,
      explanation: "Commands are confined by bubblewrap and a seccomp filter.",
    };
  }
  return none(`Landlock ${locked}; bubblewrap ${wrapped}.`);
}

function none(reason: string): Confinement {
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
function tryBubblewrap(): string | undefined {
  if (!existsSync(bubblewrapFile)) return "is not installed";
  const tried = spawnSync(
    bubblewrapFile,
    ["--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib"].concat(
      ["--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"],
      ["/usr/bin/test", "!", "-e", "/etc/passwd"],
    ),
    { timeout: 5000, encoding: "utf8" },
  );
  if (tried.status === 0) return undefined;
  return `does not work here (${(tried.stderr ?? "").trim().split("\n")[0] ?? "no reason given"})`;
}
