import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { barnacleCommand } from "../../support/gateway-process.ts";

export interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

/** A folder of its own with a configuration in it, state and workspace beside that. */
export function setup(config?: unknown): { readonly folder: string; readonly config: string } {
  const folder = mkdtempSync(join(tmpdir(), "barnacle cli-"));
  const file = join(folder, "config.json");
  if (config !== undefined) writeFileSync(file, JSON.stringify(config, undefined, 2));
  return { folder, config: file };
}

/** The command line as it is shipped, in a child process. */
export async function barnacle(
  words: readonly string[],
  options: { readonly cwd: string; readonly input?: string; readonly env?: NodeJS.ProcessEnv },
): Promise<Result> {
  const [command = "", ...args] = [...barnacleCommand(), ...words];
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"], HOME: options.cwd, ...options.env },
  });
  let out = "";
  let error = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
  child.stdin.end(options.input ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, out, error };
}

/** What `--json` printed: one document, whichever way it ended. */
export function dataOf({ out }: Result): unknown {
  const body = JSON.parse(out) as { readonly schemaVersion: number; readonly data?: unknown };
  if (body.schemaVersion !== 1) throw new Error(`Not an answer of the command line: ${out}`);
  return body.data;
}
