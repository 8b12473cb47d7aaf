import { lstatSync, readlinkSync } from "node:fs";
import { dirname } from "node:path";
import { spaceFolder, systemFiles, systemFolders } from "./grants.ts";
import type { Grant } from "./landlock.ts";

/** What the second start needs to know: the arguments of the first. */
interface Start {
  readonly workspace: string;
  readonly space: string;
  readonly server: string;
  readonly limits: unknown;
  readonly abi: number;
  readonly uid: number;
  readonly threads: number;
}

/** For root, so that the launcher can still become an unprivileged user inside. */
const kept = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_SYS_RESOURCE"];

/**
 * The command that starts the launcher a second time behind bubblewrap: nothing is there but the grants and the
 * system read-only, and every namespace is its own. Limits, user id, filter and, where the kernel has it, Landlock
 * are put up by the launcher inside.
 */
export function bubblewrapCommand(
  start: Start,
  grants: readonly Grant[],
  launcher: string,
  isRoot: boolean,
): { readonly file: string; readonly args: readonly string[] } {
  const args = [
    ...walls(isRoot),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--remount-ro",
    "/dev",
    ...bindings(grants),
    "--remount-ro",
    "/",
    "--chdir",
    spaceFolder(start.workspace, start.space),
    "--",
    process.execPath,
    "--no-warnings",
    launcher,
    "--inside",
    "--by=bubblewrap",
    `--workspace=${start.workspace}`,
    `--space=${start.space}`,
    `--server=${start.server}`,
    `--limits=${JSON.stringify(start.limits)}`,
    `--abi=${start.abi}`,
    `--uid=${start.uid}`,
    `--threads=${start.threads}`,
  ];
  return { file: bubblewrapFile, args };
}

/** A command that exits with 0 when the same walls stand: programs run, and /root and the network are not there. */
export function bubblewrapTrial(isRoot: boolean): {
  readonly file: string;
  readonly args: readonly string[];
} {
  const trial =
    'test ! -e /root && test ! -e /home && test -z "$(tail -n +3 /proc/net/dev | grep -v lo:)"';
  const args = [...walls(isRoot), "--proc", "/proc", "--dev", "/dev", "--", "/bin/sh", "-c", trial];
  return { file: bubblewrapFile, args };
}

function walls(isRoot: boolean): string[] {
  return [
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-uts",
    "--unshare-cgroup-try",
    ...(isRoot ? kept.flatMap((name) => ["--cap-add", name]) : ["--unshare-user"]),
    "--die-with-parent",
    "--new-session",
    ...systemFolders.flatMap(systemFolder),
    ...folders(systemFiles),
    ...systemFiles.flatMap((path) => ["--ro-bind-try", path, path]),
  ];
}

export const bubblewrapFile = "/usr/bin/bwrap";

/** On a merged system /bin is a link to /usr/bin and stays one. */
function systemFolder(path: string): string[] {
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (info === undefined) return [];
  if (info.isSymbolicLink()) return ["--symlink", readlinkSync(path), path];
  return ["--ro-bind", path, path];
}

/** Outer folders first, or they would hide the inner ones. */
function bindings(grants: readonly Grant[]): string[] {
  const sorted = [...grants].sort((a, b) => a.path.length - b.path.length);
  return [...folders(sorted.map(({ path }) => path)), ...sorted.flatMap(bind)];
}

/** The folders on the way to some paths. Those that bubblewrap makes by itself, only root may enter. */
function folders(paths: readonly string[]): string[] {
  const above = [...new Set(paths.flatMap(ancestors))].sort((a, b) => a.length - b.length);
  return above.flatMap((path) => ["--perms", "0755", "--dir", path]);
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === "/" ? [] : [...ancestors(parent), parent];
}

function bind({ path, access }: Grant): string[] {
  return [access === "write" ? "--bind" : "--ro-bind", path, path];
}
