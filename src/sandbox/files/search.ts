import { spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
import { matchesGlob } from "node:path";
import { Worker } from "node:worker_threads";
import type { z } from "zod";
import { ToolError } from "../../contracts/errors.ts";
import type { ServerSettings } from "../settings.ts";
import type { inputs } from "../specs.ts";
import { locate, throughDescriptor, withFolder } from "./jail.ts";
import { walk } from "./list.ts";

type SearchInput = z.infer<typeof inputs.search_files>;

const maxAnswerBytes = 32 * 1024;
const maxLineLength = 300;
const maxMatches = 200;
const maxFileBytes = 8 * 1024 * 1024;
const searchMs = 10_000;
const ripgrep = "/usr/bin/rg";

/**
 * Lines that match, as `file:line:text`. With ripgrep where it is there and `mayStart` (another command's end would
 * end it too), else in a thread of its own, so that an expression without end can be given up.
 */
export async function searchFiles(
  settings: ServerSettings,
  input: SearchInput,
  entry: string,
  mayStart: boolean,
  signal: AbortSignal,
): Promise<string> {
  const place = locate(settings, input.path ?? ".");
  const folder = withFolder(settings, place, (_, path) => path);
  const timed = AbortSignal.any([signal, AbortSignal.timeout(searchMs)]);
  const found =
    mayStart && existsSync(ripgrep)
      ? await withRipgrep(input, folder, timed)
      : await inThread(input, settings, entry, timed);
  signal.throwIfAborted();
  if (found.text === "") return "No line matches.";
  const note = found.isCut ? "\n[more lines match; narrow the pattern, path or glob]" : "";
  return found.text + note;
}

interface Found {
  readonly text: string;
  readonly isCut: boolean;
}

async function withRipgrep(input: SearchInput, cwd: string, signal: AbortSignal): Promise<Found> {
  const args = ["--no-config", "--line-number", "--no-heading", "--color=never", "--hidden"];
  args.push("--glob=!.git", "--glob=!/.tmp", `--max-columns=${maxLineLength}`, "--threads=2");
  args.push("--max-columns-preview", `--max-filesize=${maxFileBytes}`, "--no-messages");
  args.push("--path-separator=/", "--sort=path", "--no-ignore");
  if (input.glob !== undefined) args.push(`--glob=${input.glob}`);
  args.push(`--regexp=${input.pattern}`, "./");
  const child = spawn(ripgrep, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    signal,
    killSignal: "SIGKILL",
  });
  let text = "";
  let complaint = "";
  let isCut = false;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (text.length <= maxAnswerBytes) return;
    isCut = true;
    child.kill("SIGKILL");
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    if (complaint.length < 2000) complaint += chunk;
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => undefined);
    child.once("close", resolve);
  });
  if (signal.aborted) throw tooSlow();
  if (code === 2 && text === "") {
    throw new ToolError(`The pattern was refused: ${complaint.trim().slice(0, 500)}`);
  }
  const lines = text.slice(0, maxAnswerBytes).split("\n");
  if (isCut || lines.at(-1) === "") lines.pop();
  const shown = lines.slice(0, maxMatches).map((line) => clean(line.replace(/^\.\//, "")));
  return { text: shown.join("\n"), isCut: isCut || lines.length > maxMatches };
}

export interface SearchJob {
  readonly role: "search";
  readonly input: SearchInput;
  readonly settings: ServerSettings;
}

async function inThread(
  input: SearchInput,
  settings: ServerSettings,
  entry: string,
  signal: AbortSignal,
): Promise<Found> {
  try {
    void new RegExp(input.pattern);
  } catch (error) {
    throw new ToolError(`The pattern was refused: ${error instanceof Error ? error.message : ""}`);
  }
  const workerData: SearchJob = { role: "search", input, settings };
  const worker = new Worker(entry, { workerData, resourceLimits: { maxOldGenerationSizeMb: 64 } });
  try {
    return await new Promise<Found>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(tooSlow()), { once: true });
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  } finally {
    await worker.terminate();
  }
}

function tooSlow(): ToolError {
  return new ToolError(
    `The search was given up after ${searchMs / 1000} s. Use a simpler pattern or a smaller path.`,
  );
}

/** The body of the search thread. */
export function searchLines({ input, settings }: SearchJob): Found {
  const expression = new RegExp(input.pattern, "u");
  const place = locate(settings, input.path ?? ".");
  return withFolder(settings, place, (folder) => {
    const lines: string[] = [];
    let bytes = 0;
    for (const { name, info, folder: parent, base } of walk(folder, true)) {
      if (!info.isFile() || info.size > maxFileBytes || /(^|\/)\.git\//.test(name)) continue;
      if (input.glob !== undefined && !hasGlob(name, base, input.glob)) continue;
      const text = readText(parent, base);
      if (text === undefined) continue;
      for (const [index, line] of text.split("\n").entries()) {
        if (!expression.test(line)) continue;
        const shown = clean(`${name}:${index + 1}:${line.slice(0, maxLineLength)}`);
        bytes += shown.length + 1;
        if (lines.length === maxMatches || bytes > maxAnswerBytes) {
          return { text: lines.join("\n"), isCut: true };
        }
        lines.push(shown);
      }
    }
    return { text: lines.join("\n"), isCut: false };
  });
}

function hasGlob(name: string, base: string, glob: string): boolean {
  return glob.includes("/") ? matchesGlob(name, glob) : matchesGlob(base, glob);
}

function readText(folder: number, name: string): string | undefined {
  let file: number;
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    file = openSync(throughDescriptor(folder, name), flags);
  } catch {
    return undefined; // gone, or closed to us
  }
  try {
    const data = readFileSync(file);
    return data.subarray(0, 8192).includes(0) ? undefined : data.toString("utf8");
  } finally {
    closeSync(file);
  }
}

function clean(line: string): string {
  return line.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}
