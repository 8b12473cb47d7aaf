import { pino } from "pino";
import type { Logger } from "../contracts/logger.ts";
import { createRedactor } from "./redact.ts";
import type { Redactor } from "./redact.ts";
import { Secret } from "./secret.ts";

export interface LogOptions {
  readonly level?: "debug" | "info" | "warn" | "error" | "silent";
  /** Takes whole lines; standard error unless told otherwise, written before the call returns. */
  readonly destination?: { write(line: string): void };
  /** Holds the secrets' values; more may be added later. */
  readonly redactor?: Redactor;
}

const maxDepth = 6;
const maxEntries = 100;
const maxTextLength = 8_000;
const maxCauses = 5;

/**
 * One JSON object a line: `level`, `time` (ISO), the fields, `msg`. Secrets are taken out by value wherever they
 * stand, and by name where a field is called token, api_key, authorization, password or the like.
 */
export function createLog({
  level = "info",
  destination = standardError(),
  redactor = createRedactor(),
}: LogOptions = {}): Logger {
  const root = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const cleaner = createCleaner(redactor, level === "debug");
  return wrap(root, {}, cleaner);
}

/** Synchronous, so that the last line before a crash is there. A log that nobody reads any more must not end the bot. */
function standardError(): { write(line: string): void } {
  const stream = pino.destination({ dest: 2, sync: true });
  stream.on("error", () => undefined);
  return stream;
}

type Level = "debug" | "info" | "warn" | "error";
type Fields = Readonly<Record<string, unknown>>;

function wrap(root: pino.Logger, bindings: Fields, cleaner: Cleaner): Logger {
  const write = (level: Level, fields: Fields, message: string): void => {
    if (!root.isLevelEnabled(level)) return;
    root[level](cleaner.fields({ ...bindings, ...fields }), cleaner.text(message));
  };
  return {
    debug: (fields, message) => write("debug", fields, message),
    info: (fields, message) => write("info", fields, message),
    warn: (fields, message) => write("warn", fields, message),
    error: (fields, message) => write("error", fields, message),
    child: (fields) => wrap(root, { ...bindings, ...fields }, cleaner),
  };
}

interface Cleaner {
  fields(fields: Fields): Record<string, unknown>;
  text(text: string): string;
}

const secretName = /(?:token|api[-_]?key|authorization|password|passwd|passphrase|secret|cookie)$/i;
/** What pino writes itself; a field of the same name would stand twice in a line. */
const reserved = new Set(["level", "time", "msg"]);

function createCleaner(redactor: Redactor, withStack: boolean): Cleaner {
  const text = (value: string): string => {
    const redacted = redactor.redact(value);
    if (redacted.length <= maxTextLength) return redacted;
    return `${redacted.slice(0, maxTextLength)}... [${redacted.length} characters]`;
  };

  const clean = (value: unknown, depth: number, seen: readonly object[]): unknown => {
    if (typeof value === "string") return text(value);
    if (typeof value === "bigint" || typeof value === "symbol") return text(String(value));
    if (typeof value === "function") return "[function]";
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Secret) return "[secret]";
    if (value instanceof Date)
      return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (seen.includes(value)) return "[circular]";
    if (depth >= maxDepth) return "[deeper]";
    const inside = [...seen, value];
    if (value instanceof Error) return cleanError(value, depth, inside);
    if (value instanceof URL) return text(value.href);
    if (value instanceof Map || value instanceof Set) return clean([...value], depth, inside);
    if (Array.isArray(value)) {
      return value.slice(0, maxEntries).map((entry) => clean(entry, depth + 1, inside));
    }
    return record(Object.entries(value), depth, inside);
  };

  const record = (
    entries: readonly (readonly [string, unknown])[],
    depth: number,
    seen: readonly object[],
  ): Record<string, unknown> =>
    Object.fromEntries(
      entries.slice(0, maxEntries).map(([key, value]) => {
        const isHidden =
          secretName.test(key) && (typeof value === "string" || typeof value === "object");
        return [text(key), isHidden && value !== null ? "[secret]" : clean(value, depth + 1, seen)];
      }),
    );

  /** Messages of the error and its causes; the stack only for whoever asked for details. */
  const cleanError = (error: Error, depth: number, seen: readonly object[]): unknown => {
    const { name, message, stack, cause, ...more } = error as Error & Record<string, unknown>;
    const causes: string[] = [];
    let current = cause;
    while (current !== undefined && current !== null && causes.length < maxCauses) {
      causes.push(
        text(current instanceof Error ? `${current.name}: ${current.message}` : describe(current)),
      );
      current = current instanceof Error ? current.cause : undefined;
    }
    const facts = Object.entries(more).filter(
      ([key, value]) => key !== "name" && (typeof value !== "object" || key === "errors"),
    );
    return {
      type: name,
      message: text(message),
      ...(causes.length === 0 ? {} : { causes }),
      ...(withStack && stack !== undefined ? { stack: text(stack) } : {}),
      ...record(facts, depth, seen),
    };
  };

  return {
    text,
    fields: (fields) =>
      record(
        Object.entries(fields).map(([key, value]) => [reserved.has(key) ? `${key}_` : key, value]),
        0,
        [],
      ),
  };
}

function describe(value: unknown): string {
  return typeof value === "string" ? value : `[${typeof value}]`;
}
