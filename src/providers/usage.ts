import { estimateTokenCount } from "tokenx";
import type { AssistantTurn, ModelRequest, Usage } from "../contracts/model.ts";

/** What an image costs, roughly, with the providers that say. */
const tokensPerImage = 1000;

/** An estimate for servers that do not tell, so that a budget never sees zero. */
export function estimateUsage(request: ModelRequest, turn: AssistantTurn): Usage {
  const contents = request.turns.flatMap((past) => (past.role === "assistant" ? [] : past.content));
  const images = contents.filter(({ type }) => type === "image").length;
  const words = contents.map((part) => (part.type === "text" ? part.text : ""));
  const said = request.turns.map((past) => (past.role === "assistant" ? spoken(past) : ""));
  const input = [request.system, JSON.stringify(request.tools), ...words, ...said].join("\n");
  return {
    inputTokens: estimateTokenCount(input) + images * tokensPerImage,
    cachedInputTokens: 0,
    outputTokens: estimateTokenCount(spoken(turn)),
  };
}

function spoken({ text, calls }: AssistantTurn): string {
  return [text, ...calls.map(({ name, input }) => `${name} ${JSON.stringify(input)}`)].join("\n");
}
