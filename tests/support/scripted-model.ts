import type { ModelRequest, ToolCall, Turn } from "../../src/contracts/model.ts";
import type { Answer } from "../../src/core/answer.ts";
import type { Models } from "../../src/core/asking.ts";

export type Script = (request: ModelRequest, signal: AbortSignal) => Promise<Answer> | Answer;

/** A model that does what the script says, and keeps every request. */
export function scriptedModel(
  script: Script,
  over: Partial<Models> = {},
): Models & { readonly requests: ModelRequest[] } {
  const requests: ModelRequest[] = [];
  return {
    id: "scripted",
    fallbackIds: [],
    contextWindow: 100_000,
    maxOutputTokens: 1000,
    ...over,
    requests,
    async ask(request, signal) {
      requests.push(request);
      return await script(request, signal);
    },
  };
}

export function says(text: string): Answer {
  return answer(text, []);
}

export function callsTools(...calls: readonly ToolCall[]): Answer {
  return answer("", calls);
}

export function lastText(turns: readonly Turn[]): string {
  const last = turns.at(-1);
  if (last === undefined) return "";
  if (last.role === "assistant") return last.text;
  return last.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
}

function answer(text: string, calls: readonly ToolCall[]): Answer {
  return {
    turn: { role: "assistant", text, calls },
    stop: calls.length > 0 ? "tool-calls" : "answered",
    usage: { inputTokens: 10, cachedInputTokens: 0, outputTokens: 5 },
    model: "scripted",
  };
}
