import { estimateTokenCount } from "tokenx";
import type { Turn } from "../contracts/model.ts";

/** What a picture costs at the usual sizes. */
const imageTokens = 1500;
/** Roles, ids and brackets around a turn. */
const turnOverhead = 6;

/** An estimate, within about 10 % of the providers' own counts for prose. */
export function textTokens(text: string): number {
  return estimateTokenCount(text);
}

export function turnTokens(turn: Turn): number {
  if (turn.role === "assistant") {
    const calls = turn.calls.map(({ name, input }) => `${name} ${JSON.stringify(input ?? null)}`);
    const opaque = turn.opaque === undefined ? "" : JSON.stringify(turn.opaque.value);
    return turnOverhead + textTokens([turn.text, ...calls, opaque].join("\n"));
  }
  let tokens = turnOverhead;
  for (const part of turn.content) {
    tokens += part.type === "text" ? textTokens(part.text) : imageTokens;
  }
  return tokens;
}
