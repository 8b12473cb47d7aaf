import { lstatSync, opendirSync, readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ServerSettings } from "../settings.ts";
import { descendants } from "./descendants.ts";

export interface DiskWatch {
  /** What the running command has done to the disk, as a reason to end it. Cheap while nothing much changes. */
  overLimit(): string | undefined;
}

interface Free {
  readonly bytes: number;
  readonly inodes: number;
}

const blockBytes = 512;

/**
 * Watches the free space of the disk, which costs nothing, and looks at the space itself only when that has shrunk
 * by more than a command may use: others write to the same disk.
 */
export function watchDisk({ home, shared, mayWriteShared, limits }: ServerSettings): DiskWatch {
  const { commandDiskBytes, commandInodes, diskReserveBytes } = limits;
  const folders = mayWriteShared ? [home, shared] : [home];
  const first = freeOf(home);
  let last = first;
  return {
    overLimit() {
      const now = freeOf(home);
      if (now.bytes < diskReserveBytes / 2 && now.bytes < first.bytes) {
        return "was ended: the disk is nearly full";
      }
      const isLess =
        last.bytes - now.bytes > commandDiskBytes || last.inodes - now.inodes > commandInodes;
      if (!isLess) return undefined;
      const used = usage(folders, commandDiskBytes, commandInodes);
      if (used.bytes > commandDiskBytes) return "was ended: it wrote too much to the disk";
      if (used.inodes > commandInodes) return "was ended: it made too many files";
      last = now;
      return undefined;
    },
  };
}

function freeOf(folder: string): Free {
  const { bavail, bsize, ffree } = statfsSync(folder);
  return { bytes: bavail * bsize, inodes: ffree };
}

/** Of the folders and of deleted files that are still open; counted no further than a little above the limits. */
function usage(folders: readonly string[], maxBytes: number, maxInodes: number): Free {
  let bytes = deletedButOpen();
  let inodes = 0;
  const waiting = [...folders];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const name of entriesOf(folder)) {
      if (bytes > maxBytes || inodes > maxInodes) return { bytes, inodes };
      const path = join(folder, name);
      const info = lstatSync(path, { throwIfNoEntry: false });
      if (info === undefined) continue;
      inodes += 1;
      bytes += info.blocks * blockBytes;
      if (info.isDirectory()) waiting.push(path);
    }
  }
  return { bytes, inodes };
}

function* entriesOf(folder: string): Generator<string> {
  try {
    const entries = opendirSync(folder);
    try {
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        yield entry.name;
      }
    } finally {
      entries.closeSync();
    }
  } catch {
    return; // gone, or closed to us
  }
}

function deletedButOpen(): number {
  const seen = new Map<number, number>();
  for (const { pid } of descendants()) {
    try {
      for (const name of readdirSync(`/proc/${pid}/fd`)) {
        const info = statSync(`/proc/${pid}/fd/${name}`, { throwIfNoEntry: false });
        if (info?.isFile() === true && info.nlink === 0)
          seen.set(info.ino, info.blocks * blockBytes);
      }
    } catch {
      continue; // it has ended
    }
  }
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}
