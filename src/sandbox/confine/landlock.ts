import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { type Native, NativeError } from "./native.ts";

/** What a path, and all below it, may be used for. `device` is reading and writing without more. */
export type Access = "read" | "execute" | "write" | "device";

export interface Grant {
  readonly path: string;
  readonly access: Access;
}

/** The kernel's LANDLOCK_ACCESS_FS_* (include/uapi/linux/landlock.h), by bit. */
const fs = {
  execute: 1 << 0,
  writeFile: 1 << 1,
  readFile: 1 << 2,
  readDir: 1 << 3,
  makeChar: 1 << 6,
  makeBlock: 1 << 11,
  refer: 1 << 13,
  truncate: 1 << 14,
  ioctlDevice: 1 << 15,
};

/** How many file system rights each ABI knows, from 1 on; later ones have the last number. */
const rightsByAbi = [13, 14, 15, 15, 16];
const netSince = 4;
const scopesSince = 6;
const bothOfTwo = 3n;

const rights: Readonly<Record<Access, number>> = {
  read: fs.readFile | fs.readDir,
  execute: fs.readFile | fs.readDir | fs.execute,
  write: 0xffff & ~fs.makeChar & ~fs.makeBlock & ~fs.ioctlDevice,
  device: fs.readFile | fs.writeFile | fs.truncate,
};
const rightsOfFiles = fs.execute | fs.writeFile | fs.readFile | fs.truncate | fs.ioctlDevice;

const askForVersion = 1;
const ruleOfPath = 1;
const setNoNewPrivs = 38;
const openPathOnly = 0o10000000;

/** The kernel's Landlock ABI; 0 where it has none, or has it switched off at boot. */
export function landlockAbi(native: Native): number {
  try {
    return native.call("landlock_create_ruleset", null, 0, askForVersion);
  } catch (error) {
    if (error instanceof NativeError) return 0;
    throw error;
  }
}

/** Whether signals and abstract sockets stay inside a domain of this ABI. */
export function isScoped(abi: number): boolean {
  return abi >= scopesSince;
}

/**
 * Denies the calling thread, and all that it starts, every file system right that `abi` knows but for the grants, and
 * TCP and signals outward where the ABI knows them. A grant whose path is missing is left out. For good: it can only
 * be narrowed.
 */
export function restrict(native: Native, grants: readonly Grant[], abi: number): void {
  const handled = 2 ** (rightsByAbi[Math.min(abi, rightsByAbi.length) - 1] ?? 0) - 1;
  const attributes = Buffer.alloc(24);
  attributes.writeBigUInt64LE(BigInt(handled), 0);
  attributes.writeBigUInt64LE(bothOfTwo, 8);
  attributes.writeBigUInt64LE(bothOfTwo, 16);
  const size = abi >= scopesSince ? 24 : abi >= netSince ? 16 : 8;
  const ruleset = native.call("landlock_create_ruleset", attributes, size, 0);
  for (const grant of grants) addRule(native, ruleset, grant, handled);
  native.call("prctl", setNoNewPrivs, 1, 0, 0, 0);
  native.call("landlock_restrict_self", ruleset, 0);
  closeSync(ruleset);
}

function addRule(native: Native, ruleset: number, grant: Grant, handled: number): void {
  let file: number;
  try {
    file = openSync(grant.path, constants.O_RDONLY | openPathOnly);
  } catch {
    return; // what is not there needs no grant
  }
  try {
    const allowed = fstatSync(file).isDirectory() ? ~0 : rightsOfFiles;
    const rule = Buffer.alloc(12); // struct landlock_path_beneath_attr, packed
    rule.writeBigUInt64LE(BigInt(rights[grant.access] & allowed & handled), 0);
    rule.writeInt32LE(file, 8);
    native.call("landlock_add_rule", ruleset, ruleOfPath, rule, 0);
  } finally {
    closeSync(file);
  }
}
