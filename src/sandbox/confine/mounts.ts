import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Grant } from "./landlock.ts";
import { type Native, NativeError } from "./native.ts";

const flag = { readOnly: 1, noSuid: 2, noDevices: 4, noExec: 8, remount: 32, bind: 4096 };
const recursive = 16_384;
const makePrivate = 1 << 18;
const newMounts = 0x20000;
const newIpc = 0x08000000;
const newNetwork = 0x40000000;
const openPathOnly = 0o10000000;

export interface PrivateMounts {
  /** Whether /proc shows only what the reader may trace, which for a confined process is its own domain. */
  readonly ownProc: boolean;
}

/**
 * For root with CAP_SYS_ADMIN: a mount, network and IPC namespace of its own for the calling thread. Where a granted
 * path lies below a folder that an unprivileged user may not enter (/root, say), that folder is covered by an empty
 * one that holds nothing but the granted paths. Undefined where the kernel refuses the namespaces.
 */
export function enterPrivateMounts(
  native: Native,
  grants: readonly Grant[],
): PrivateMounts | undefined {
  try {
    native.call("unshare", newMounts | newIpc | newNetwork);
    native.call("mount", "none", "/", null, recursive | makePrivate, null);
  } catch (error) {
    if (error instanceof NativeError) return undefined;
    throw error;
  }
  const closed = new Set(grants.map(({ path }) => closedAncestor(path)));
  for (const folder of closed) {
    if (folder !== undefined) uncover(native, folder, grants);
  }
  return { ownProc: mountProc(native) };
}

/** The topmost folder on the way to `path` that others may not enter. */
export function closedAncestor(path: string): string | undefined {
  const parent = dirname(path);
  if (parent === path) return undefined;
  const above = closedAncestor(parent);
  if (above !== undefined) return above;
  const info = statSync(parent, { throwIfNoEntry: false });
  return info === undefined || (info.mode & 0o001) !== 0 ? undefined : parent;
}

function uncover(native: Native, folder: string, grants: readonly Grant[]): void {
  const inside = grants
    .filter(({ path }) => path.startsWith(`${folder}/`))
    .sort((a, b) => a.path.length - b.path.length)
    .map((grant) => ({ grant, file: openSync(grant.path, constants.O_RDONLY | openPathOnly) }));
  native.call("mount", "tmpfs", folder, "tmpfs", flag.noSuid | flag.noDevices, "mode=755,size=1m");
  const bound: string[] = [];
  for (const { grant, file } of inside) {
    if (!bound.some((path) => grant.path.startsWith(`${path}/`) || grant.path === path)) {
      makeMountPoint(grant.path, fstatSync(file).isDirectory());
      const source = `/proc/self/fd/${file}`;
      native.call("mount", source, grant.path, null, flag.bind | recursive, null);
      if (grant.access === "read" || grant.access === "execute") {
        const readOnly = flag.remount | flag.bind | flag.readOnly;
        native.call("mount", null, grant.path, null, readOnly | flag.noSuid | flag.noDevices, null);
      }
      bound.push(grant.path);
    }
    closeSync(file);
  }
}

function makeMountPoint(path: string, isFolder: boolean): void {
  mkdirSync(isFolder ? path : dirname(path), { recursive: true, mode: 0o755 });
  if (!isFolder) writeFileSync(path, "", { flag: "a" });
}

function mountProc(native: Native): boolean {
  const flags = flag.noSuid | flag.noDevices | flag.noExec;
  // "ptraceable" is known since Linux 5.8; "2" hides others' processes too.
  for (const hide of ["ptraceable", "2"]) {
    try {
      native.call("mount", "proc", "/proc", "proc", flags, `hidepid=${hide}`);
      return true;
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
    }
  }
  return false;
}
