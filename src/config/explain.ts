import type { LoadedConfig } from "./load.ts";
import { nearest } from "../lib/nearest.ts";
import { Secret } from "../lib/secret.ts";
import { formatPath, isRecord, parsePath, valueAt } from "./path.ts";
import type { Segment } from "./path.ts";
import { keysOf, placeAt } from "./schema-walk.ts";

export interface Explanation {
  readonly path: string;
  /** Secrets masked; undefined where nothing is set and there is no default. */
  readonly value: unknown;
  /** "config.json, line 3", "default", or "not set"; for a secret also what it refers to and its length. */
  readonly from: string;
  readonly meaning: string | undefined;
}

/** Where a value comes from and what it means. Throws a sentence for a path that the config cannot have. */
export function explain({ source }: LoadedConfig, pathText: string): Explanation {
  const { document, schema, effective } = source;
  const path = parsePath(pathText);
  if (path === undefined) {
    throw new Error(`"${pathText}" is not a path. Write it like agent.max_steps or owner[0].id.`);
  }
  const place = placeAt(schema, document.value, path);
  if (place === undefined)
    throw new Error(unknownPath(path, (known) => placeAt(schema, document.value, known)?.schema));

  const value = valueAt(effective, path);
  const isWritten = valueAt(document.value, path) !== undefined;
  const line = document.lineOf(path);
  const standing = isWritten
    ? `${document.file}${line === undefined ? "" : `, line ${line}`}`
    : "default";
  return {
    path: formatPath(path),
    value: masked(value ?? place.defaultValue),
    from:
      value === undefined && place.defaultValue === undefined
        ? "not set"
        : withSecret(standing, value),
    meaning: place.description,
  };
}

/** The whole effective config as in a file: defaults filled in, secrets as their reference or masked. */
export function effectiveConfig({ source }: LoadedConfig): unknown {
  return masked(source.effective);
}

/** References are no secrets, and tell more than a mask. */
function masked(value: unknown): unknown {
  if (value instanceof Secret) return value.source === "literal" ? "[secret]" : value.source;
  if (Array.isArray(value)) return value.map(masked);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .map(([key, entry]) => [key, masked(entry)]),
  );
}

function withSecret(standing: string, value: unknown): string {
  if (!(value instanceof Secret)) return standing;
  return `${standing}; ${value.source}, ${value.reveal().length} characters`;
}

function unknownPath(
  path: readonly Segment[],
  schemaAt: (path: readonly Segment[]) => Parameters<typeof keysOf>[0] | undefined,
): string {
  let length = path.length - 1;
  while (length > 0 && schemaAt(path.slice(0, length)) === undefined) length -= 1;
  const parent = path.slice(0, length);
  const schema = schemaAt(parent);
  const known = schema === undefined ? [] : keysOf(schema);
  const near = nearest(String(path[length]), known);
  const hint = near === undefined ? "." : `; did you mean "${formatPath([...parent, near])}"?`;
  const list = known.length === 0 ? "" : ` Known there: ${known.join(", ")}.`;
  return `There is no "${formatPath(path.slice(0, length + 1))}" in the configuration${hint}${list}`;
}
