import { spawn, type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const root = join(import.meta.dirname, "../../..");
const dist = join(root, "dist");

/** Nobody on Debian; read-only folders mean nothing to root. */
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

/** A folder that an unprivileged child can enter, with a space in its name. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "barnacle pack-"));
  chmodSync(folder, 0o777);
  return folder;
}

/** The bundle alone, away from the checkout and its node_modules. */
export function copyBundle(into: string): string {
  if (!existsSync(join(dist, "barnacle.js"))) throw new Error('Run "npm run build" first.');
  const copy = join(into, "dist");
  cpSync(dist, copy, { recursive: true });
  return copy;
}

/** The Node of this run as npm would lay it, where anybody can start it: the checkout may be in a home folder that is closed to others. */
export function copyNode(into: string): string {
  const name = `node-${process.platform}-${process.arch}`;
  const file = join(into, "node_modules", name, "bin/node");
  cpSync(process.execPath, file);
  mkdirSync(join(into, "node_modules/.bin"));
  symlinkSync(`../${name}/bin/node`, join(into, "node_modules/.bin/node"));
  return file;
}

/** The Node below 24 of this machine, whose npm scripts see the pinned one first. */
export function findOldNode(): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    const file = join(folder, "node");
    if (folder.includes("node_modules") || !existsSync(file)) continue;
    const version = spawnSync(file, ["--version"], { encoding: "utf8" }).stdout;
    const major = Number.parseInt(version.slice(1), 10);
    if (major >= 20 && major < 24) return file;
  }
  return undefined;
}

export interface RunOptions {
  readonly node?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly unprivileged?: boolean;
}

export interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a program with nothing in its environment but PATH and what is given. */
export function start(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): ChildProcess {
  const ids = options.unprivileged === true && isRoot ? { uid: nobody, gid: nobody } : {};
  return spawn(file, args, {
    ...ids,
    cwd: options.cwd ?? tmpdir(),
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
    stdio: "pipe",
  });
}

export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = start(file, args, options);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin?.end(options.input ?? "");
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}
