import { lstatSync } from "node:fs";
import { extname, join } from "node:path";
import type { z } from "zod";
import { ToolError } from "../../contracts/errors.ts";
import type { ServerSettings } from "../settings.ts";
import type { uploadInput } from "../specs.ts";
import { locate, replaceFile } from "./jail.ts";

const folder = "inbox";

/** Stores an attachment under a name that is safe and free. Returns its path relative to the space. */
export function saveUpload(
  settings: ServerSettings,
  { name, data_base64: encoded }: z.infer<typeof uploadInput>,
): string {
  const data = Buffer.from(encoded, "base64");
  if (data.length > settings.limits.uploadBytes) {
    throw new ToolError(`The file is too large: at most ${settings.limits.uploadBytes} bytes.`);
  }
  const path = `${folder}/${freeName(settings, safeName(name))}`;
  replaceFile(settings, locate(settings, path), data);
  return path;
}

function safeName(name: string): string {
  const base = name.split(/[/\\]/).at(-1) ?? "";
  const clean = base
    .normalize("NFC")
    .replaceAll(/[^\p{L}\p{N}._ ()-]/gu, "_")
    .replace(/^[. -]+/, "")
    .trim();
  const ending = extname(clean).slice(0, 16);
  const stem = clean.slice(0, clean.length - extname(clean).length).slice(0, 60);
  return stem === "" ? `file${ending}` : stem + ending;
}

function freeName({ home }: ServerSettings, name: string): string {
  const ending = extname(name);
  const stem = name.slice(0, name.length - ending.length);
  for (let number = 1; number < 10_000; number += 1) {
    const candidate = number === 1 ? name : `${stem}-${number}${ending}`;
    const info = lstatSync(join(home, folder, candidate), { throwIfNoEntry: false });
    if (info === undefined) return candidate;
  }
  throw new ToolError(`There are too many files named ${name} in ${folder}.`);
}
