import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Node, ParseError } from "jsonc-parser";
import { findNodeAtLocation, parseTree, printParseErrorCode } from "jsonc-parser";
import { ConfigError } from "../contracts/errors.ts";
import type { ConfigMistake } from "../contracts/errors.ts";
import { errorText } from "../lib/error-text.ts";
import { formatPath } from "./path.ts";
import type { Segment } from "./path.ts";

const maxFileBytes = 1_000_000;
const maxDepth = 50;

/** A config file's text as a value that still knows where each key stands. */
export interface ConfigDocument {
  readonly file: string;
  readonly value: unknown;
  /** Keys that stand twice, and keys that are no keys. The value has the first of each. */
  readonly mistakes: readonly ConfigMistake[];
  /** The line (from 1) of a key or list entry, or of the nearest thing around it that the file has. */
  lineOf(path: readonly Segment[]): number | undefined;
  /** A value as it is written in the file: numbers lose digits when they are read. */
  textAt(path: readonly Segment[]): string | undefined;
}

/**
 * The file's text, without its byte order mark.
 * @throws ConfigError when it cannot be read, is no regular file, is larger than 1 MB, or is not UTF-8.
 */
export function readDocument(file: string): string {
  const refuse = (reason: string): never => {
    throw new ConfigError(file, [{ path: "", reason }]);
  };
  let descriptor: number;
  try {
    // Not blocking, so that a FIFO in the file's place cannot hold the start for ever.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return refuse(whyUnreadable(file, error));
  }
  try {
    if (!fstatSync(descriptor).isFile()) return refuse(`${file} is not a regular file.`);
    const bytes = Buffer.alloc(maxFileBytes + 1);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, bytes, length, bytes.length - length, null);
      length += read;
      if (read === 0 || length > maxFileBytes) break;
    }
    if (length > maxFileBytes)
      return refuse(`${file} is larger than 1 MB; it cannot be a configuration.`);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof TypeError) return refuse(`${file} is not UTF-8 text. Save it as UTF-8.`);
    return refuse(whyUnreadable(file, error));
  } finally {
    closeSync(descriptor);
  }
}

/**
 * JSON with comments; a comma after the last entry is let pass.
 * @throws ConfigError with line and column where the text is no JSON.
 */
export function parseDocument(file: string, text: string): ConfigDocument {
  const errors: ParseError[] = [];
  const root = parse(file, text, errors);
  const lines = lineStarts(text);
  const [first] = errors;
  if (first !== undefined || root === undefined) {
    const offset = first?.offset ?? text.length;
    const line = lineAt(lines, offset);
    const column = offset - (lines[line - 1] ?? 0) + 1;
    const wrong = first === undefined ? "ValueExpected" : printParseErrorCode(first.error);
    const reason = `Not valid JSON at line ${line}, column ${column}: ${syntaxWords[wrong] ?? wrong}.`;
    throw new ConfigError(file, [{ path: "", reason, line }]);
  }
  const mistakes: ConfigMistake[] = [];
  const value = toValue(root, [], (path, node, reason) => {
    mistakes.push({ path: formatPath(path), reason, line: lineAt(lines, node.offset) });
  });
  return {
    file,
    value,
    mistakes,
    lineOf(path) {
      for (let length = path.length; length >= 0; length--) {
        const node = findNodeAtLocation(root, path.slice(0, length));
        if (node === undefined) continue;
        return lineAt(lines, node.parent?.type === "property" ? node.parent.offset : node.offset);
      }
      return undefined;
    },
    textAt(path) {
      const node = findNodeAtLocation(root, [...path]);
      return node === undefined ? undefined : text.slice(node.offset, node.offset + node.length);
    },
  };
}

function parse(file: string, text: string, errors: ParseError[]): Node | undefined {
  try {
    return parseTree(text, errors, { allowTrailingComma: true });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(file, [{ path: "", reason: "It is nested too deeply." }]);
  }
}

const syntaxWords: Readonly<Record<string, string>> = {
  InvalidSymbol: "this word is not JSON; text stands in double quotes",
  InvalidNumberFormat: "this is not a number",
  PropertyNameExpected: "a key in double quotes is expected",
  ValueExpected: "a value is missing",
  ColonExpected: "a colon is missing between key and value",
  CommaExpected: "a comma is missing before this",
  CloseBraceExpected: "a closing } is missing",
  CloseBracketExpected: "a closing ] is missing",
  EndOfFileExpected: "there is something after the end",
  UnexpectedEndOfComment: "a comment is not closed",
  UnexpectedEndOfString: "a text is not closed by a double quote",
  InvalidEscapeCharacter: "a backslash is followed by something that cannot be escaped",
  InvalidCharacter: "this character must be escaped",
};

type Report = (path: readonly Segment[], node: Node, reason: string) => void;

/** Plain values, made key by key, so that a key like __proto__ never reaches an object. */
function toValue(node: Node, path: readonly Segment[], report: Report): unknown {
  if (path.length > maxDepth) {
    report(path.slice(0, 3), node, "is nested too deeply.");
    return undefined;
  }
  if (node.type === "array") {
    return (node.children ?? []).map((child, index) => toValue(child, [...path, index], report));
  }
  if (node.type !== "object") return node.value as unknown;
  const object: Record<string, unknown> = {};
  for (const property of node.children ?? []) {
    const [key, child] = property.children ?? [];
    if (key === undefined || child === undefined) continue;
    const name = String(key.value);
    const at = [...path, name];
    if (name === "__proto__") report(at, property, "is not a known key; remove it.");
    else if (Object.hasOwn(object, name)) report(at, property, "stands twice; remove one of them.");
    else object[name] = toValue(child, at, report);
  }
  return object;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function lineAt(starts: readonly number[], offset: number): number {
  let line = starts.length;
  while (line > 1 && (starts[line - 1] ?? 0) > offset) line -= 1;
  return line;
}

function whyUnreadable(file: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT")
    return `There is no configuration at ${file}. Create it, or name another one with --config.`;
  if (code === "EACCES" || code === "EPERM") {
    return `${file} may not be read by this user (uid ${process.getuid?.() ?? "?"}). Change its owner or its mode.`;
  }
  if (code === "EISDIR") return `${file} is a folder. Name the file in it.`;
  return `${file} could not be read: ${errorText(error)}`;
}
