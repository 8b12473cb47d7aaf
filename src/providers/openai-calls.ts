import { randomUUID } from "node:crypto";
import type { ToolCall } from "../contracts/model.ts";
import { toolCall } from "./tool-input.ts";

/** A piece of a tool call, as servers send it. */
export interface CallDelta {
  readonly index?: number | null;
  readonly id?: string | null;
  readonly function?: {
    readonly name?: string | null;
    /** A piece of JSON text; some servers send the object itself. */
    readonly arguments?: unknown;
  } | null;
}

interface Growing {
  readonly index: number | undefined;
  id: string;
  name: string;
  text: string;
  whole: unknown;
}

export interface CallCollector {
  readonly count: number;
  add(delta: CallDelta): void;
  /** The calls in the order of their beginning, each with an id of its own. */
  finished(): ToolCall[];
}

/**
 * Puts tool calls together from their pieces. The specification: pieces of one call share an index, id and name come with
 * the first. In use as well: no index, one index for all calls, each call in one piece, no id, an id that several calls share.
 */
export function collectCalls(isTaken: (id: string) => boolean): CallCollector {
  const calls: Growing[] = [];
  return {
    get count() {
      return calls.length;
    },
    add(delta) {
      const id = delta.id ?? "";
      const name = delta.function?.name ?? "";
      const given = delta.function?.arguments;
      const index = delta.index ?? undefined;
      let call =
        index === undefined ? calls.at(-1) : calls.findLast((known) => known.index === index);
      if (call === undefined || beginsAnother(call, id, name)) {
        call = { index, id, name: "", text: "", whole: undefined };
        calls.push(call);
      }
      if (call.id === "") call.id = id;
      if (call.name === "") call.name = name;
      if (typeof given === "string") call.text += given;
      else if (given !== undefined && given !== null) call.whole = given;
    },
    finished() {
      const ids = new Set<string>();
      return calls.map(({ id, name, text, whole }) => {
        const own = id === "" || ids.has(id) || isTaken(id) ? `call_${randomUUID()}` : id;
        ids.add(own);
        return whole === undefined ? toolCall(own, name, text) : { id: own, name, input: whole };
      });
    },
  };
}

/** A name comes with a call's beginning only: with another id, or after whole arguments, it begins the next one. */
function beginsAnother(call: Growing, id: string, name: string): boolean {
  if (name === "" || call.name === "") return false;
  if (id !== "" && call.id !== "" && id !== call.id) return true;
  return call.whole !== undefined || isWhole(call.text);
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
