import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  type Stats,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, normalize } from "node:path";
import { ToolError } from "../../contracts/errors.ts";
import { type ServerSettings, sharedSpace } from "../settings.ts";

/** A path as the model gave it, and where it leads by its letters alone: links are looked at once it is open. */
export interface Place {
  readonly shown: string;
  readonly path: string;
}

/**
 * Where a tool's path leads: relative to the space, `global/...` in the shared folder. Throws a `ToolError` for
 * whatever would leave both.
 */
export function locate(settings: ServerSettings, given: string): Place {
  if (given.includes("\0")) throw new ToolError("A path cannot contain a NUL character.");
  const { home, shared } = settings;
  const isShared = given === sharedSpace || given.startsWith(`${sharedSpace}/`);
  const path = isAbsolute(given)
    ? normalize(given)
    : join(isShared ? shared : home, isShared ? given.slice(sharedSpace.length) : given);
  const clean = path.length > 1 ? path.replace(/\/+$/, "") : path;
  if (baseOf(settings, clean) === undefined) throw outside(given);
  return { shown: given, path: clean };
}

function outside(shown: string): ToolError {
  return new ToolError(
    `${quote(shown)} is outside of your workspace. Use a path relative to it, without "..".`,
  );
}

type Base = "home" | "shared";

function baseOf({ home, shared }: ServerSettings, path: string): Base | undefined {
  const isIn = (folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
  return isIn(home) ? "home" : isIn(shared) ? "shared" : undefined;
}

/** Which of the two folders an open file really is in, whatever its path looks like by now. */
function check(settings: ServerSettings, file: number, shown: string): Base {
  const base = baseOf(settings, readlinkSync(throughDescriptor(file)));
  if (base === undefined) throw outside(shown);
  return base;
}

/** A path that means an open folder itself: it cannot be swapped while it is used. */
export function throughDescriptor(file: number, name = ""): string {
  return name === "" ? `/proc/self/fd/${file}` : `/proc/self/fd/${file}/${name}`;
}

/** Opens a regular file for reading and passes it on. Pipes, sockets and devices are refused without waiting. */
export function withFile<T>(
  settings: ServerSettings,
  place: Place,
  use: (file: number, info: Stats) => T,
): T {
  const file = open(place, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    check(settings, file, place.shown);
    const info = fstatSync(file);
    if (info.isDirectory()) {
      throw new ToolError(
        `${quote(place.shown)} is a folder. Use list_files to see what is in it.`,
      );
    }
    if (!info.isFile()) throw new ToolError(`${quote(place.shown)} is not a regular file.`);
    return use(file, info);
  } finally {
    closeSync(file);
  }
}

/** Opens a folder and passes it on, with its real path. */
export function withFolder<T>(
  settings: ServerSettings,
  place: Place,
  use: (folder: number, path: string) => T,
): T {
  const folder = open(place, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    check(settings, folder, place.shown);
    return use(folder, readlinkSync(throughDescriptor(folder)));
  } finally {
    closeSync(folder);
  }
}

/**
 * Puts a whole file in place of another, at once: a reader sees the old one or the new one. Missing folders are made.
 * Throws a `ToolError` where the space ends, the disk is nearly full, or something other than a file is there.
 */
export function replaceFile(settings: ServerSettings, place: Place, data: Uint8Array): void {
  if (data.length > settings.limits.fileBytes) {
    throw new ToolError(`A file may have at most ${settings.limits.fileBytes} bytes.`);
  }
  if (baseOf(settings, dirname(place.path)) === undefined) {
    throw new ToolError("Give the name of a file, not of the workspace itself.");
  }
  inParent(settings, place, (folder) => {
    keepReserve(settings, folder, data.length);
    const name = basename(place.path);
    const target = throughDescriptor(folder, name);
    const old = followed(target, place);
    if (old?.isLink === true) {
      replaceFile(settings, { ...place, path: realPath(settings, old.file, place) }, data);
      return;
    }
    const mode = old === undefined ? 0o644 : old.mode;
    const draft = throughDescriptor(folder, `.${randomBytes(6).toString("hex")}.draft`);
    try {
      writeFileSync(draft, data, { flag: "wx", mode });
      renameSync(draft, target);
    } catch (error) {
      try {
        unlinkSync(draft);
      } catch {
        // it was never made
      }
      throw explain(error, place.shown);
    }
  });
}

/** Of an open file, which is closed. */
function realPath(settings: ServerSettings, file: number, { shown }: Place): string {
  try {
    check(settings, file, shown);
    return readlinkSync(throughDescriptor(file));
  } finally {
    closeSync(file);
  }
}

/** What is at the target now: nothing, a plain file's mode, or a link inside the workspace, opened. */
function followed(
  target: string,
  place: Place,
): { readonly isLink: boolean; readonly mode: number; readonly file: number } | undefined {
  const info = lstatSync(target, { throwIfNoEntry: false });
  if (info === undefined) return undefined;
  if (info.isSymbolicLink()) {
    const real = statSync(target, { throwIfNoEntry: false });
    if (real?.isFile() !== true) {
      throw new ToolError(
        `${quote(place.shown)} is a link that leads to no file. Remove it first.`,
      );
    }
    return { isLink: true, mode: 0, file: open(place, constants.O_RDONLY | constants.O_NONBLOCK) };
  }
  if (info.isDirectory()) throw new ToolError(`${quote(place.shown)} is a folder.`);
  if (!info.isFile()) throw new ToolError(`${quote(place.shown)} is not a regular file.`);
  return { isLink: false, mode: info.mode & 0o777, file: -1 };
}

/** Walks from the base to the file's folder by descriptors, making what is missing. */
function inParent<T>(settings: ServerSettings, place: Place, use: (folder: number) => T): T {
  const base = baseOf(settings, place.path) === "home" ? settings.home : settings.shared;
  const names = dirname(place.path)
    .slice(base.length)
    .split("/")
    .filter((name) => name !== "");
  const asFolder = constants.O_RDONLY | constants.O_DIRECTORY;
  let folder = open({ ...place, path: base }, asFolder);
  try {
    for (const name of names) {
      const path = throughDescriptor(folder, name);
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
        refuseReadOnly(settings, check(settings, folder, place.shown));
        attempt(() => mkdirSync(path), place.shown);
      }
      const next = open({ ...place, path }, asFolder);
      closeSync(folder);
      folder = next;
    }
    refuseReadOnly(settings, check(settings, folder, place.shown));
    return use(folder);
  } finally {
    closeSync(folder);
  }
}

function refuseReadOnly({ mayWriteShared }: ServerSettings, base: Base): void {
  if (base === "shared" && !mayWriteShared) {
    throw new ToolError("The shared folder can be read from here, not written.");
  }
}

function keepReserve({ limits }: ServerSettings, folder: number, bytes: number): void {
  const disk = statfsSync(throughDescriptor(folder));
  const reserve = Math.min(limits.diskReserveBytes, disk.blocks * disk.bsize * 0.05);
  if (disk.bavail * disk.bsize - bytes < reserve) {
    throw new ToolError("The disk is nearly full, so nothing was written. Delete files first.");
  }
}

function open({ path, shown }: Place, flags: number): number {
  return attempt(() => openSync(path, flags), shown);
}

function attempt<T>(action: () => T, shown: string): T {
  try {
    return action();
  } catch (error) {
    throw explain(error, shown);
  }
}

/** A system error as a sentence for the model. */
export function explain(error: unknown, shown: string): Error {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const name = quote(shown);
  switch (code) {
    case "ENOENT":
      return new ToolError(`There is no ${name}. Use list_files to see what is there.`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new ToolError(`${name} may not be used that way.`);
    case "ENOTDIR":
      return new ToolError(`A part of ${name} is not a folder.`);
    case "EISDIR":
      return new ToolError(`${name} is a folder.`);
    case "EEXIST":
      return new ToolError(`A part of ${name} is a link that leads nowhere, or was just made.`);
    case "ELOOP":
      return new ToolError(`${name} goes through too many links.`);
    case "ENAMETOOLONG":
      return new ToolError(`${name} is too long for a path.`);
    case "ENXIO":
      return new ToolError(`${name} is not a regular file.`);
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new ToolError("There is no space left for that file. Delete files first.");
    default:
      return error instanceof Error ? error : new Error(String(error));
  }
}

/** A name in one line, whatever characters it is made of, and not too long. */
export function quote(name: string): string {
  const cut = name.length > 200 ? `${name.slice(0, 200)}...` : name;
  return JSON.stringify(cut);
}
