import type { ConfigDocument } from "./document.ts";
import type { Segment } from "./path.ts";
import { isRecord } from "./path.ts";

/** A key that an earlier version knew. It warns for two minor versions before it becomes an unknown key. */
export interface RetiredKey {
  /** As in the file, `*` for any name: "agent.old_key", "channels.*.old_key". */
  readonly path: string;
  /** A sentence: since when it does nothing, and what to use instead. */
  readonly reason: string;
}

/** None so far. */
export const retiredKeys: readonly RetiredKey[] = [];

export interface RetiredWarning {
  readonly path: readonly Segment[];
  readonly reason: string;
}

/** The value without its retired keys, and a warning for each that was there. */
export function removeRetired(
  { value }: Pick<ConfigDocument, "value">,
  table: readonly RetiredKey[],
): { readonly value: unknown; readonly warnings: readonly RetiredWarning[] } {
  if (table.length === 0) return { value, warnings: [] };
  const warnings: RetiredWarning[] = [];
  return { value: without(value, [], table, warnings), warnings };
}

function without(
  value: unknown,
  path: readonly Segment[],
  table: readonly RetiredKey[],
  warnings: RetiredWarning[],
): unknown {
  if (Array.isArray(value)) {
    return value.map((entry, index) => without(entry, [...path, index], table, warnings));
  }
  if (!isRecord(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) {
    const at = [...path, key];
    const retired = table.find((candidate) => matches(candidate.path.split("."), at));
    if (retired === undefined) kept[key] = without(entry, at, table, warnings);
    else warnings.push({ path: at, reason: retired.reason });
  }
  return kept;
}

function matches(pattern: readonly string[], path: readonly Segment[]): boolean {
  return (
    pattern.length === path.length &&
    pattern.every((part, index) => part === "*" || part === String(path[index]))
  );
}
