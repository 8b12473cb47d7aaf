import type { z } from "zod";
import type { ConfigMistake } from "../contracts/errors.ts";
import { nearest } from "../lib/nearest.ts";
import type { ConfigDocument } from "./document.ts";
import { formatPath, isRecord, valueAt } from "./path.ts";
import type { Segment } from "./path.ts";
import { isSecret, keysOf, placeAt } from "./schema-walk.ts";

type Issue = z.core.$ZodIssue;

/** What the schema found, in sentences for an operator: what is wrong and what to write instead. */
export function explainIssues(
  issues: readonly Issue[],
  schema: z.ZodType,
  document: ConfigDocument,
): ConfigMistake[] {
  return issues.flatMap((issue) => explainIssue(issue, schema, document));
}

function explainIssue(issue: Issue, schema: z.ZodType, document: ConfigDocument): ConfigMistake[] {
  const path = issue.path.filter((segment) => typeof segment !== "symbol");
  const value = valueAt(document.value, path);
  const place = placeAt(schema, document.value, path);
  const mistake = (reason: string, at: readonly Segment[] = path): ConfigMistake[] => [
    { path: formatPath(at), reason, line: document.lineOf(at) },
  ];

  if (issue.code === "unrecognized_keys") {
    const known = place === undefined ? [] : keysOf(place.schema);
    return issue.keys.flatMap((key) => mistake(unknownKey(key, known), [...path, key]));
  }
  if (issue.code === "invalid_union" && issue.discriminator !== undefined) {
    return mistake(
      unknownKind(issue.discriminator, value, "options" in issue ? (issue.options ?? []) : []),
    );
  }
  if (issue.code === "invalid_union") {
    const branches: Issue[][] = issue.errors.map((branch) =>
      branch.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
    );
    const deeper = branches.find(
      (branch) => !branch.some((inner) => isWrongForm(inner, path.length)),
    );
    if (deeper !== undefined) return explainIssues(deeper, schema, document);
    const wanted = [
      ...new Set(
        branches
          .flat()
          .filter((inner) => isWrongForm(inner, path.length))
          .map(formWanted),
      ),
    ];
    return mistake(
      value === undefined ? missing(place?.description) : `must be ${listed(wanted, "or")}.`,
    );
  }
  if (value === undefined && (issue.code === "invalid_type" || issue.code === "invalid_value")) {
    return mistake(missing(place?.description));
  }
  const hidden = place !== undefined && isSecret(place.schema);
  return mistake(sentence(issue, hidden ? undefined : value));
}

/** The kind's own words where it has some, ours instead of the library's. */
function sentence(issue: Issue, value: unknown): string {
  if (!/^(Invalid|Too |Unrecognized)/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case "invalid_type":
      return `must be ${formWanted(issue)}${isRecord(value) || Array.isArray(value) ? "" : quoted(", not ", value)}.`;
    case "invalid_value": {
      const options = issue.values.map((option) => JSON.stringify(option));
      const near = typeof value === "string" ? nearest(value, issue.values.map(String)) : undefined;
      const hint = near === undefined ? "" : `; did you mean "${near}"?`;
      return `must be ${listed(options, "or")}${quoted(", not ", value)}${hint === "" ? "." : hint}`;
    }
    case "too_small":
      if (issue.origin === "string")
        return Number(issue.minimum) <= 1
          ? "must not be empty."
          : `must have at least ${issue.minimum} characters.`;
      if (issue.origin === "array")
        return `must have at least ${issue.minimum} ${issue.minimum === 1 ? "entry" : "entries"}.`;
      return `must be ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${quoted(", not ", value)}.`;
    case "too_big":
      if (issue.origin === "string") return `must have at most ${issue.maximum} characters.`;
      if (issue.origin === "array") return `must have at most ${issue.maximum} entries.`;
      return `must be ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${quoted(", not ", value)}.`;
    case "invalid_format":
      if (issue.format === "url")
        return `must be a URL such as "https://example.org/v1"${quoted(", not ", value)}.`;
      if (issue.format === "ipv4" || issue.format === "ipv6")
        return `must be an IP address such as "127.0.0.1"${quoted(", not ", value)}.`;
      if (issue.format === "regex")
        return `does not have the right form${quoted(": ", value)}. It must match ${issue.pattern ?? "the pattern"}.`;
      return `must be of the form "${issue.format}"${quoted(", not ", value)}.`;
    case "invalid_key": {
      const [inner] = issue.issues;
      return inner === undefined
        ? "is not a name that can stand here."
        : sentence(inner, undefined);
    }
    default:
      return `does not fit: ${issue.message}.`;
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `is not a known key; did you mean "${near}"?`;
  return known.length === 0
    ? "is not a known key."
    : `is not a known key. Known here: ${listed(known, "and")}.`;
}

function unknownKind(discriminator: string, value: unknown, options: readonly unknown[]): string {
  const noun = discriminator === "provider" ? "provider" : "channel type";
  const known = options.map(String);
  const choices = `Known: ${known.join(", ")}.`;
  if (value === undefined) return `is missing; name the ${noun}. ${choices}`;
  const near = typeof value === "string" ? nearest(value, known) : undefined;
  const hint = near === undefined ? "." : `; did you mean "${near}"?`;
  return `${quoted("", value)} is not a ${noun}${hint} ${choices}`;
}

function missing(description: string | undefined): string {
  return description === undefined ? "is missing." : `is missing. ${description}`;
}

/** Whether a union's branch failed because the value is of another form altogether. */
function isWrongForm(issue: Issue, depth: number): boolean {
  return issue.code === "invalid_type" && issue.path.length === depth;
}

function formWanted(issue: Issue): string {
  const expected = "expected" in issue ? String(issue.expected) : "";
  return formWords[expected] ?? expected;
}

const formWords: Readonly<Record<string, string>> = {
  string: "text in double quotes",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list in [ ]",
  object: "an object in { }",
  record: "an object in { }",
};

function quoted(before: string, value: unknown): string {
  const text = JSON.stringify(value);
  return text === undefined || text.length > 80 ? "" : `${before}${text}`;
}

export function listed(words: readonly string[], last: "or" | "and"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}
