import { readFileSync } from "node:fs";
import type { z } from "zod";
import { ToolError } from "../../contracts/errors.ts";
import type { ServerSettings } from "../settings.ts";
import type { inputs } from "../specs.ts";
import { showDiff } from "./diff.ts";
import { locate, quote, replaceFile, withFile } from "./jail.ts";

const maxEditBytes = 8 * 1024 * 1024;

/** Creates or replaces a file. Returns a sentence. */
export function writeFile(
  settings: ServerSettings,
  { path, content }: z.infer<typeof inputs.write_file>,
): string {
  const data = Buffer.from(content, "utf8");
  replaceFile(settings, locate(settings, path), data);
  return `Wrote ${data.length} bytes to ${quote(path)}.`;
}

/** Replaces exact text. Returns the diff. */
export function editFile(
  settings: ServerSettings,
  { path, old_text: from, new_text: to, all = false }: z.infer<typeof inputs.edit_file>,
): string {
  const place = locate(settings, path);
  const before = withFile(settings, place, (file, { size }) => {
    if (size > maxEditBytes) {
      throw new ToolError(
        `${quote(path)} is too large to edit (${size} bytes). Use a command on it.`,
      );
    }
    return readText(file, path);
  });
  const count = before.split(from).length - 1;
  if (count === 0) {
    throw new ToolError(`old_text is not in ${quote(path)}. Read the file and copy it exactly.`);
  }
  if (count > 1 && !all) {
    throw new ToolError(
      `old_text occurs ${count} times in ${quote(path)}. Add lines around it to make it unique, or set all.`,
    );
  }
  const after = before.replaceAll(from, () => to);
  if (after === before) return "Nothing changed: old_text and new_text are the same.";
  replaceFile(settings, place, Buffer.from(after, "utf8"));
  return showDiff(path, before, after);
}

function readText(file: number, path: string): string {
  const data = readFileSync(file);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new ToolError(`${quote(path)} is not UTF-8 text, so it cannot be edited.`);
  }
}
