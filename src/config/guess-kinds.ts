import type * as z from "zod";
import { nearest } from "../lib/nearest.ts";
import type { ConfigDocument } from "./document.ts";
import { isRecord, valueAt } from "./path.ts";

/**
 * The document with every mistyped provider or channel type put right, so that the mistakes inside of such a block
 * are told together with the slip itself. Undefined when there is none that could be guessed.
 */
export function guessKinds(
  issues: readonly z.core.$ZodIssue[],
  document: ConfigDocument,
): ConfigDocument | undefined {
  const value = structuredClone(document.value);
  let isGuessed = false;
  for (const issue of issues) {
    if (issue.code !== "invalid_union" || issue.discriminator === undefined) continue;
    const path = issue.path.filter((segment) => typeof segment !== "symbol");
    const typed = valueAt(value, path);
    const block = valueAt(value, path.slice(0, -1));
    const options = "options" in issue ? (issue.options ?? []).map(String) : [];
    const near = typeof typed === "string" ? nearest(typed, options) : undefined;
    if (near === undefined || !isRecord(block)) continue;
    block[issue.discriminator] = near;
    isGuessed = true;
  }
  return isGuessed ? { ...document, value } : undefined;
}
