import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, sep } from "node:path";
import { Secret } from "../lib/secret.ts";
import { isRecord } from "./path.ts";

const maxSecretBytes = 64 * 1024;

export interface SecretSources {
  /** The config file; `file://name` is looked for in its folder, then in `secrets/` there. */
  readonly configFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type SecretResult =
  | { readonly value: string; readonly warning: string | undefined }
  | { readonly mistake: string };

/**
 * What a reference stands for: `file://name`, `env://NAME`, else itself.
 * Neither mistake nor warning ever has the value.
 */
export function resolveSecret(reference: string, sources: SecretSources): SecretResult {
  const form = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(reference);
  if (form === null) return fromLiteral(reference);
  const [, scheme = "", rest = ""] = form;
  if (scheme.toLowerCase() === "file") return fromFile(rest, sources.configFile);
  if (scheme.toLowerCase() === "env") return fromEnv(rest, sources.env);
  return { mistake: "looks like a URL. A secret is file://name, env://NAME, or the value itself." };
}

/** Every `Secret` in a parsed value. */
export function findSecrets(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  if (Array.isArray(value)) return value.flatMap(findSecrets);
  return isRecord(value) ? Object.values(value).flatMap(findSecrets) : [];
}

function fromLiteral(value: string): SecretResult {
  const trimmed = value.trim();
  if (trimmed === "") return { mistake: "is empty." };
  const wrong = whyUnusable(trimmed);
  if (wrong !== undefined) return { mistake: wrong };
  const looksUnset =
    /^your[-_ ]|replace[-_ ]?(with|me)|change[-_ ]?me|\.\.\.$|^<.*>$|^x{4,}$/i.test(trimmed);
  return {
    value: trimmed,
    warning: looksUnset
      ? "looks like a placeholder; put the real value in its place."
      : "stands in the config file in clear. Better put it into a file of its own beside it and write file://name here.",
  };
}

function fromEnv(name: string, env: SecretSources["env"]): SecretResult {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return {
      mistake: `env://${shorten(name)} does not name an environment variable, such as env://TELEGRAM_TOKEN.`,
    };
  }
  const value = env[name];
  if (value === undefined)
    return { mistake: `The environment variable ${name} is not set. Set it, or use file://name.` };
  const trimmed = value.trim();
  if (trimmed === "") return { mistake: `The environment variable ${name} is empty.` };
  const wrong = whyUnusable(trimmed);
  return wrong === undefined ? { value: trimmed, warning: undefined } : { mistake: wrong };
}

function fromFile(name: string, configFile: string): SecretResult {
  const shown = `file://${shorten(name)}`;
  if (name === "" || name.includes("\0")) return { mistake: `${shown} does not name a file.` };
  if (isAbsolute(name) || name.split(/[\\/]/).includes("..")) {
    return {
      mistake: `${shown} leaves the config's folder. Put the file there, or in secrets/ there, and write file://name.`,
    };
  }
  const folder = realPath(dirname(configFile));
  if (folder === undefined)
    return { mistake: `${shown} cannot be looked up: the config's folder is gone.` };
  const real = realPath(join(folder, name)) ?? realPath(join(folder, "secrets", name));
  if (real === undefined) {
    return {
      mistake: `${shown} is not there: neither ${join(folder, name)} nor ${join(folder, "secrets", name)} can be found.`,
    };
  }
  // Compared after symlinks are followed, so that a link cannot lead out of the folder.
  if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
    return {
      mistake: `${shown} is a link that leads out of the config's folder. Put the file itself there.`,
    };
  }
  return readSecretFile(real, shown);
}

function readSecretFile(file: string, shown: string): SecretResult {
  let descriptor: number;
  try {
    // Neither following a link put there since, nor waiting for a FIFO's writer.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    return {
      mistake: `${shown} cannot be read by this user (uid ${process.getuid?.() ?? "?"}, ${code}). Change its owner or its mode.`,
    };
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) return { mistake: `${shown} is not a regular file.` };
    if (stat.size > maxSecretBytes)
      return { mistake: `${shown} is larger than 64 KB; it cannot be a secret.` };
    const bytes = Buffer.alloc(maxSecretBytes + 1);
    const text = bytes.toString("utf8", 0, readSync(descriptor, bytes, 0, bytes.length, 0));
    const value = text.replace(/^\uFEFF/, "").trim();
    if (value === "") return { mistake: `${shown} is empty.` };
    const wrong = whyUnusable(value);
    if (wrong !== undefined) return { mistake: `${shown}: ${wrong}` };
    const isOpen = (stat.mode & 0o004) !== 0;
    return {
      value,
      warning: isOpen
        ? `${shown} can be read by every user of this machine; chmod 600 it.`
        : undefined,
    };
  } catch (error) {
    return {
      mistake: `${shown} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"}).`,
    };
  } finally {
    closeSync(descriptor);
  }
}

/** Secrets travel in HTTP headers and URLs, where neither line breaks nor control characters can stand. */
function whyUnusable(value: string): string | undefined {
  if (/[\r\n]/.test(value)) return "has several lines; keep only the value itself.";
  return /[\x00-\x1f\x7f]/.test(value)
    ? "has control characters; it was not copied whole."
    : undefined;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined; // absent, or not to be reached: told by the caller
  }
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
