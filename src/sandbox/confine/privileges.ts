import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { SandboxLimits } from "../settings.ts";
import { type Native, NativeError } from "./native.ts";

/** Part of a range that neither distributions nor systemd hand out (systemd.io/UIDS-GIDS), below 16 bits. */
const firstId = 60_600;
const ids = 500;

/**
 * Whom root becomes: a user and group id that no account has, so that nothing outside belongs to it; another one for
 * each space, so that one's processes do not count against the limit of another.
 */
export function unprivilegedId(workspace: string, space: string): number {
  const digest = createHash("sha256").update(`${workspace}\0${space}`).digest();
  return firstId + (digest.readUInt32BE(0) % ids);
}

const dropBoundingCapability = 24;
const ambientCapabilities = 47;
const clearAll = 4;

/** Gives up root for good: the bounding set, groups, ids, and with them every capability. */
export function becomeUnprivileged(native: Native, id: number): void {
  for (let capability = 0; capability < 64; capability += 1) {
    try {
      native.call("prctl", dropBoundingCapability, capability, 0, 0, 0);
    } catch (error) {
      // EINVAL: the last one is passed. EPERM: without CAP_SETPCAP, no_new_privs has to do.
      if (error instanceof NativeError) break;
      throw error;
    }
  }
  native.call("prctl", ambientCapabilities, clearAll, 0, 0, 0);
  native.call("setgroups", 0, null);
  native.call("setresgid", id, id, id);
  native.call("setresuid", id, id, id);
}

const resource = { fileSize: 1, core: 4, processes: 6, openFiles: 7, lockedMemory: 8, queues: 12 };

/** Hard limits for the calling process and all that it starts; `threads` is how many its user has already. */
export function limitResources(native: Native, limits: SandboxLimits, threads: number): void {
  const set = (which: number, value: number): void => {
    const pair = Buffer.alloc(16);
    pair.writeBigUInt64LE(BigInt(value), 0);
    pair.writeBigUInt64LE(BigInt(value), 8);
    native.call("prlimit64", 0, which, pair, null);
  };
  set(resource.core, 0);
  set(resource.fileSize, limits.fileBytes);
  set(resource.openFiles, Math.min(limits.openFiles, openFilesLimit()));
  set(resource.lockedMemory, 0);
  set(resource.queues, 0);
  // Counted over all that the user runs, not over what is in the sandbox.
  set(resource.processes, threads + limits.processes);
}

/** The hard limit in force, which an ordinary user cannot raise. */
function openFilesLimit(): number {
  const line = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return Number(line?.[1] ?? Number.MAX_SAFE_INTEGER);
}

/** Processes and threads that a user id has now. */
export function countThreads(uid: number): number {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .reduce((sum, pid) => sum + threadsOf(pid, uid), 0);
}

function threadsOf(pid: string, uid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (/^Uid:\s+(\d+)/m.exec(status)?.[1] !== String(uid)) return 0;
    return Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 1);
  } catch {
    return 0; // it ended meanwhile
  }
}
