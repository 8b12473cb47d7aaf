import { closeSync, constants, lstatSync, opendirSync, openSync, type Stats } from "node:fs";
import type { z } from "zod";
import type { ServerSettings } from "../settings.ts";
import type { inputs } from "../specs.ts";
import { locate, throughDescriptor, withFolder } from "./jail.ts";

const maxShown = 500;
const maxLooked = 20_000;
const maxDepth = 32;

/** What is in a folder: folders end in a slash, files have their size, links their arrow. */
export function listFiles(
  settings: ServerSettings,
  { path = ".", recursive = false }: z.infer<typeof inputs.list_files>,
): string {
  return withFolder(settings, locate(settings, path), (folder) => {
    const lines: string[] = [];
    let hasMore = false;
    for (const { name, info } of walk(folder, recursive)) {
      if (lines.length === maxShown) {
        hasMore = true;
        break;
      }
      lines.push(describe(name, info));
    }
    if (lines.length === 0) return "[the folder is empty]";
    if (!recursive) lines.sort();
    if (hasMore) lines.push(`[the first ${maxShown}; list a folder below for more]`);
    return lines.join("\n");
  });
}

export interface Entry {
  /** Relative to where the walk began. */
  readonly name: string;
  readonly info: Stats;
  /** The folder that it is in, open while the entry is handled. */
  readonly folder: number;
  readonly base: string;
}

/** All entries below an open folder, never through a link, up to a bound. Our own temporary folder is left out. */
export function* walk(
  folder: number,
  recursive: boolean,
  prefix = "",
  budget = { left: maxLooked },
): Generator<Entry> {
  const entries = opendirSync(throughDescriptor(folder));
  const folders: string[] = [];
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      if (budget.left === 0) return;
      budget.left -= 1;
      if (prefix === "" && entry.name === ".tmp") continue;
      const info = lstatSync(throughDescriptor(folder, entry.name), { throwIfNoEntry: false });
      if (info === undefined) continue;
      yield { name: prefix + entry.name, info, folder, base: entry.name };
      if (recursive && info.isDirectory()) folders.push(entry.name);
    }
  } finally {
    entries.closeSync();
  }
  if (prefix.split("/").length > maxDepth) return;
  for (const name of folders.sort()) {
    const inner = openInner(folder, name);
    if (inner === undefined) continue;
    try {
      yield* walk(inner, recursive, `${prefix}${name}/`, budget);
    } finally {
      closeSync(inner);
    }
  }
}

function openInner(folder: number, name: string): number | undefined {
  try {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return openSync(throughDescriptor(folder, name), flags);
  } catch {
    return undefined; // gone, closed to us, or a link by now
  }
}

function describe(name: string, info: Stats): string {
  const shown = /[\u0000-\u001f\u007f-\u009f]/.test(name) ? JSON.stringify(name) : name;
  if (info.isDirectory()) return `${shown}/`;
  if (info.isSymbolicLink()) return `${shown} (link)`;
  return info.isFile() ? `${shown} (${info.size} bytes)` : `${shown} (not a file)`;
}
