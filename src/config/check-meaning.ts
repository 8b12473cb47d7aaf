import type { ChannelKind } from "../contracts/kind.ts";
import type { ConfigMistake } from "../contracts/errors.ts";
import { nearest } from "../lib/nearest.ts";
import type { ConfigDocument } from "./document.ts";
import { listed } from "./mistakes.ts";
import { formatPath, isRecord } from "./path.ts";
import type { Segment } from "./path.ts";
import { channelName } from "./schema.ts";

/** A part of the config that the caller cannot do without. */
export type Requirement = "llm" | "channel";

/** A channel as it stands in the file, unchecked. */
interface RawChannel {
  readonly name: string;
  readonly path: readonly Segment[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly kind: ChannelKind | undefined;
}

/**
 * What holds between keys, checked on the raw value, so that these mistakes are told along with the schema's.
 * Allowlists fail closed here: an entry that cannot be an id of its platform refuses the whole file.
 */
export function checkMeaning(
  document: ConfigDocument,
  channelKinds: readonly ChannelKind[],
  requirements: readonly Requirement[],
): ConfigMistake[] {
  const mistakes: ConfigMistake[] = [];
  const report = (path: readonly Segment[], reason: string): void => {
    mistakes.push({ path: formatPath(path), reason, line: document.lineOf(path) });
  };
  const root = document.value;
  if (!isRecord(root)) return [];

  if (root["llm"] === undefined && requirements.includes("llm")) {
    report(["llm"], "is missing. It names the language model that answers.");
  }
  const hasShort = root["channel"] !== undefined;
  const hasMap = root["channels"] !== undefined;
  if (hasShort && hasMap) {
    report(["channel"], 'cannot stand beside "channels". Move it there, under a name of its own.');
  }
  const isMapEmpty = isRecord(root["channels"]) && Object.keys(root["channels"]).length === 0;
  if (requirements.includes("channel") && !hasShort && (!hasMap || isMapEmpty)) {
    report(["channel"], "is missing. It names the chat platform on which the bot talks.");
  }

  const channels = rawChannels(root, channelKinds);
  for (const channel of channels) checkChannel(channel, document, report);
  checkOwners(root["owner"], channels, document, report);
  return mistakes;
}

type Report = (path: readonly Segment[], reason: string) => void;

function rawChannels(
  root: Readonly<Record<string, unknown>>,
  kinds: readonly ChannelKind[],
): RawChannel[] {
  const found: RawChannel[] = [];
  const add = (name: string, path: readonly Segment[], settings: unknown): void => {
    if (!isRecord(settings)) return;
    found.push({ name, path, settings, kind: kinds.find(({ name }) => name === settings["type"]) });
  };
  const short = root["channel"];
  if (isRecord(short)) add(String(short["type"]), ["channel"], short);
  const map = root["channels"];
  if (isRecord(map)) {
    for (const [name, settings] of Object.entries(map)) add(name, ["channels", name], settings);
  }
  return found;
}

function checkChannel(channel: RawChannel, document: ConfigDocument, report: Report): void {
  const { name, path, settings, kind } = channel;
  if (path[0] === "channels" && !channelName.test(name)) {
    report(
      path,
      "is not a name for a channel. Use lower-case letters, digits and dashes, starting with a letter, at most 31.",
    );
  }
  if (settings["allowed_users"] !== undefined && settings["allow_from"] !== undefined) {
    report([...path, "allow_from"], "is another name for allowed_users; keep one of them.");
  }
  for (const key of ["allowed_users", "allow_from"]) {
    const entries = settings[key];
    if (!Array.isArray(entries)) continue;
    for (const [index, entry] of entries.entries()) {
      const at = [...path, key, index];
      const wrong = entry === "*" ? undefined : whyNoUserId(entry, kind, document.textAt(at));
      if (wrong !== undefined) report(at, wrong);
    }
  }
  const rooms = settings["allowed_chats"];
  if (!Array.isArray(rooms)) return;
  for (const [index, entry] of rooms.entries()) {
    const at = [...path, "allowed_chats", index, ...(isRecord(entry) ? ["id"] : [])];
    const id: unknown = isRecord(entry) ? entry["id"] : entry;
    if (id === "*") report(at, '"*" is no room. Leave allowed_chats out to answer in every room.');
    const wrong = whyNoExactNumber(id, document.textAt(at));
    if (wrong !== undefined) report(at, wrong);
  }
}

function checkOwners(
  owner: unknown,
  channels: readonly RawChannel[],
  document: ConfigDocument,
  report: Report,
): void {
  const entries: [readonly Segment[], unknown][] = Array.isArray(owner)
    ? owner.map((entry, index) => [["owner", index], entry])
    : [[["owner"], owner]];
  for (const [path, entry] of entries) {
    if (!isRecord(entry)) continue;
    const name = entry["channel"];
    const channel = channels.find((candidate) => candidate.name === name);
    if (typeof name === "string" && channel === undefined) {
      const names = channels.map((candidate) => candidate.name);
      const near = nearest(name, names);
      const hint = near === undefined ? "." : `; did you mean "${near}"?`;
      const known =
        names.length === 0 ? "None is configured." : `Configured: ${listed(names, "and")}.`;
      report([...path, "channel"], `"${name}" is not a configured channel${hint} ${known}`);
    }
    const at = [...path, "id"];
    const wrong = whyNoUserId(entry["id"], channel?.kind, document.textAt(at));
    if (wrong !== undefined) report(at, wrong);
  }
}

/** Undefined when it may be an id; entries of another type altogether are the schema's to refuse. */
function whyNoUserId(
  entry: unknown,
  kind: ChannelKind | undefined,
  written: string | undefined,
): string | undefined {
  if (typeof entry !== "string" && typeof entry !== "number") return undefined;
  const inexact = whyNoExactNumber(entry, written);
  if (inexact !== undefined) return inexact;
  if (kind === undefined) return undefined;
  const id = String(entry);
  const { pattern, example } = kind.userId;
  if (new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).test(id)) return undefined;
  const shown = JSON.stringify(id.length > 60 ? `${id.slice(0, 60)}...` : id);
  return /^@?\p{L}[\p{L}\p{N}_.# -]*$/u.test(id)
    ? `${shown} is a name, and names can be changed by anyone; use the id, such as ${example}.`
    : `${shown} is not an id of ${kind.name}; one looks like ${example}.`;
}

function whyNoExactNumber(entry: unknown, written: string | undefined): string | undefined {
  if (typeof entry !== "number" || Number.isSafeInteger(entry)) return undefined;
  const shown = written ?? String(entry);
  return /^-?\d+$/.test(shown)
    ? `${shown} is too large for a number in JSON, which would change its last digits; write it in double quotes: "${shown}".`
    : undefined;
}
