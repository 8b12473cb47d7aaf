import { readSync } from "node:fs";
import type { z } from "zod";
import { ToolError } from "../../contracts/errors.ts";
import type { ServerSettings } from "../settings.ts";
import type { inputs } from "../specs.ts";
import { locate, quote, withFile } from "./jail.ts";

const defaultLines = 2000;
const maxLineBytes = 8000;
const maxAnswerBytes = 48 * 1024;
/** How far a file is looked through for lines; the rest is not counted. */
const maxScanBytes = 64 * 1024 * 1024;
const chunkBytes = 256 * 1024;
const newline = 10;

/** The lines of a text file, and how to read on. */
export function readFile(
  settings: ServerSettings,
  { path, offset = 1, limit = defaultLines }: z.infer<typeof inputs.read_file>,
): string {
  return withFile(settings, locate(settings, path), (file, { size }) => {
    const found = collect(file, offset, limit);
    if (found === undefined) {
      throw new ToolError(
        `${quote(path)} is not a text file (${size} bytes). Use a command on it.`,
      );
    }
    const { lines, total, isWhole } = found;
    const count = isWhole ? total.toLocaleString("en") : `more than ${total.toLocaleString("en")}`;
    if (lines.length === 0 && offset > 1) {
      throw new ToolError(`Line ${offset} is past the end (${count} lines). Use a smaller offset.`);
    }
    const text = lines.join("\n");
    const last = offset + lines.length - 1;
    if (isWhole && last >= total) return text === "" ? "[the file is empty]" : text;
    const range = offset === 1 ? "first " : `lines ${offset.toLocaleString("en")} to `;
    const end = (offset === 1 ? lines.length : last).toLocaleString("en");
    return `${text}\n[${range}${end} of ${count} lines; continue with offset ${last + 1}]`;
  });
}

interface Found {
  readonly lines: readonly string[];
  readonly total: number;
  readonly isWhole: boolean;
}

/** Undefined for what is not text. Memory is bounded by the answer, however long file and lines are. */
function collect(file: number, offset: number, limit: number): Found | undefined {
  const lines: string[] = [];
  const chunk = Buffer.alloc(chunkBytes);
  let line: Buffer[] = [];
  let lineBytes = 0;
  let answerBytes = 0;
  let total = 0;
  let scanned = 0;
  let isFull = false;

  const add = (part: Buffer): void => {
    const room = maxLineBytes - lineBytes;
    if (!isFull && total + 1 >= offset && room > 0) line.push(Buffer.from(part.subarray(0, room)));
    lineBytes += part.length;
  };
  const finish = (): void => {
    total += 1;
    if (total >= offset && !isFull) {
      const text = Buffer.concat(line).toString("utf8").replace(/\r$/, "");
      const cut = lineBytes > maxLineBytes ? `${text}[line cut: ${lineBytes} bytes]` : text;
      answerBytes += Buffer.byteLength(cut) + 1;
      isFull = lines.length >= limit || (answerBytes > maxAnswerBytes && lines.length > 0);
      if (!isFull) lines.push(cut);
    }
    line = [];
    lineBytes = 0;
  };

  for (;;) {
    const length = readSync(file, chunk, 0, chunk.length, null);
    if (length === 0) break;
    const part = chunk.subarray(0, length);
    if (scanned === 0 && part.subarray(0, 8192).includes(0)) return undefined;
    scanned += length;
    let from = 0;
    for (let at = part.indexOf(newline); at !== -1; at = part.indexOf(newline, from)) {
      add(part.subarray(from, at));
      finish();
      from = at + 1;
    }
    add(part.subarray(from));
    if (scanned >= maxScanBytes) {
      if (lines.length === 0 && total < offset) finish();
      return { lines, total, isWhole: false };
    }
  }
  if (lineBytes > 0) finish();
  return { lines, total, isWhole: true };
}
