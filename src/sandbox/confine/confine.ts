import { writeFileSync } from "node:fs";
import type { LaunchOptions } from "../launch-options.ts";
import { mainSpace, type ServerSettings, sharedSpace } from "../settings.ts";
import { forEveryone, installFilter } from "./filter.ts";
import { codeGrants, existing, spaceFolder, systemGrants, workspaceGrants } from "./grants.ts";
import { type Grant, isScoped, landlockAbi, restrict } from "./landlock.ts";
import { closedAncestor, enterPrivateMounts } from "./mounts.ts";
import type { Native } from "./native.ts";
import { becomeUnprivileged, limitResources } from "./privileges.ts";

/**
 * Puts up the walls around this process, in the only order that works, and returns what the server is told of them.
 * Throws a sentence for the operator, or what the kernel refused: then nothing may be started.
 */
export function confine(
  native: Native,
  options: LaunchOptions,
  own: readonly Grant[],
  isRoot: boolean,
): ServerSettings {
  const abi = Math.min(landlockAbi(native), options.abi);
  const isInside = options.inside;
  if (abi === 0 && !isInside)
    throw new Error("This kernel has no Landlock, or has it switched off.");
  // The machine's memory is worth more than the sandbox: out of it, the kernel ends this first.
  writeFileSync("/proc/self/oom_score_adj", "800");
  const mounts = isRoot && !isInside ? enterPrivateMounts(native, own) : undefined;
  if (isRoot && !isInside && mounts === undefined) refuseClosed(own);
  limitResources(native, options.limits, options.threads);
  if (isRoot) becomeUnprivileged(native, options.uid);
  livingWithParent(native, options);
  process.chdir(spaceFolder(options.workspace, options.space));

  const system = systemGrants();
  const proc: Grant = { path: "/proc", access: "read" };
  const hidesOthers = isInside || mounts?.ownProc === true;
  const forCommands = [...own, ...system, ...(hidesOthers ? [proc] : [])];
  // The server reads about its descendants there; Landlock keeps it from the memory of others.
  if (abi > 0) restrict(native, [...own, ...system, proc], abi);
  installFilter(native, forEveryone);
  const staysInside = isInside || isScoped(abi);
  return {
    ...withoutWalls(options),
    by: options.by,
    signalsStayInside: staysInside,
    // In bubblewrap's process namespace only the sandbox itself is in reach, by low ids that are not given again.
    signalWall: isScoped(abi) ? "domain" : isRoot || isInside ? "user" : "filter",
    landlock: abi > 0 ? { abi, grants: existing(forCommands) } : undefined,
  };
}

/** What the server is told where nothing confines it. */
export function withoutWalls({ workspace, space, limits }: LaunchOptions): ServerSettings {
  return {
    space,
    root: workspace,
    home: spaceFolder(workspace, space),
    shared: spaceFolder(workspace, sharedSpace),
    mayWriteShared: space === mainSpace,
    by: "none",
    signalsStayInside: false,
    signalWall: "filter",
    limits,
  };
}

/** What a space may use but for the system. */
export function grantsFor({ workspace, space }: LaunchOptions, launcher: string): Grant[] {
  return existing([...codeGrants(launcher), ...workspaceGrants(workspace, space)]);
}

/** Without a mount namespace there is no way around a folder that the unprivileged user may not enter. */
function refuseClosed(grants: readonly Grant[]): void {
  for (const { path } of grants) {
    const closed = closedAncestor(path);
    if (closed === undefined) continue;
    throw new Error(
      `${path} lies below ${closed}, which only its owner may enter, and this process may not mount anything. ` +
        `Start as an ordinary user, or move it to a folder that others may enter (chmod o+x ${closed}).`,
    );
  }
}

const dieWithParent = 1;
const adoptOrphans = 36;
const terminate = 15;
const closeOnExec = 4;

/**
 * Is told to end when the gateway does (SIGTERM, not SIGKILL: it has commands to end first); whatever a command
 * leaves behind comes back to this process.
 */
function livingWithParent(native: Native, { parent, inside }: LaunchOptions): void {
  native.call("prctl", dieWithParent, terminate, 0, 0, 0);
  if (!inside && process.ppid !== parent) process.exit(0);
  native.call("prctl", adoptOrphans, 1, 0, 0, 0);
  native.call("close_range", 3, 0xffffffff, closeOnExec);
}
