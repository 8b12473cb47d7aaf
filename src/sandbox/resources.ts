import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { join } from "node:path";
import type { ListResourcesResult, ReadResourceResult } from "@modelcontextprotocol/sdk/types.js";
import { explain } from "./files/jail.ts";
import type { ServerSettings } from "./settings.ts";
import { personaFiles, resourcePrefix } from "./specs.ts";

const maxBytes = 64 * 1024;
const maxSkills = 200;

/** The operator's words: persona files and each skill's SKILL.md. */
export function listResources(settings: ServerSettings): ListResourcesResult {
  const names = resourceNames(settings).filter((name) => readText(settings, name) !== undefined);
  return { resources: names.map((name) => ({ name, uri: resourcePrefix + name })) };
}

export function readResource(settings: ServerSettings, uri: string): ReadResourceResult {
  const name = uri.startsWith(resourcePrefix) ? uri.slice(resourcePrefix.length) : "";
  const text = resourceNames(settings).includes(name) ? readText(settings, name) : undefined;
  if (text === undefined) throw explain(Object.assign(new Error(), { code: "ENOENT" }), uri);
  return { contents: [{ uri, mimeType: "text/markdown", text }] };
}

function resourceNames({ root }: ServerSettings): string[] {
  return [...personaFiles, ...skills(root).map((skill) => `skills/${skill}/SKILL.md`)];
}

function skills(root: string): string[] {
  try {
    return readdirSync(join(root, "skills")).sort().slice(0, maxSkills);
  } catch {
    return []; // a workspace needs none
  }
}

function readText({ root }: ServerSettings, name: string): string | undefined {
  let file: number;
  try {
    file = openSync(join(root, name), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined; // a workspace needs none of them
  }
  try {
    const isInside = readlinkSync(`/proc/self/fd/${file}`).startsWith(`${root}/`);
    if (!isInside || !fstatSync(file).isFile()) return undefined;
    const bytes = Buffer.alloc(maxBytes);
    return bytes.toString("utf8", 0, readSync(file, bytes, 0, maxBytes, 0));
  } finally {
    closeSync(file);
  }
}
