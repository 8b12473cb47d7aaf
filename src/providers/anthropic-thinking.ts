import type {
  ContentBlockParam,
  RedactedThinkingBlock,
  ThinkingBlock,
} from "@anthropic-ai/sdk/resources/messages";
import * as z from "zod";
import type { AssistantTurn, ToolCall } from "../contracts/model.ts";

/**
 * The order of an answer's blocks with its signed thinking in full; text and calls, which the turn has, only as a length
 * and an id. The API wants thinking back unchanged and in place.
 */
const layoutSchema = z.array(
  z.discriminatedUnion("type", [
    z.object({ type: z.literal("thinking"), thinking: z.string(), signature: z.string() }),
    z.object({ type: z.literal("redacted_thinking"), data: z.string() }),
    z.object({ type: z.literal("text"), length: z.int() }),
    z.object({ type: z.literal("tool_use"), id: z.string() }),
  ]),
);

export type ThinkingLayout = z.infer<typeof layoutSchema>;

/** One block of an answer as the stream brought it. */
export type AnswerBlock =
  | ThinkingBlock
  | RedactedThinkingBlock
  | { readonly type: "text"; text: string }
  | { readonly type: "tool_use"; readonly id: string };

/** What to keep of an answer so that `restoreBlocks` can send its thinking back; undefined if it had none. */
export function layoutOf(blocks: readonly AnswerBlock[]): ThinkingLayout | undefined {
  // Thinking that was cut off has no signature yet, and without one the API refuses it.
  const kept = blocks.filter((block) => block.type !== "thinking" || block.signature !== "");
  if (!kept.some(({ type }) => type.endsWith("thinking"))) return undefined;
  return kept.map((block) => {
    if (block.type === "text") return { type: "text", length: block.text.length };
    if (block.type === "tool_use") return { type: "tool_use", id: block.id };
    if (block.type === "redacted_thinking") return { type: block.type, data: block.data };
    return { type: block.type, thinking: block.thinking, signature: block.signature };
  });
}

/** The answer's blocks in their order; undefined when the turn no longer is what the layout was made of. */
export function restoreBlocks(
  turn: AssistantTurn,
  toolUse: (call: ToolCall) => ContentBlockParam,
): ContentBlockParam[] | undefined {
  const layout = layoutSchema.safeParse(turn.opaque?.value).data;
  if (layout === undefined) return undefined;
  const blocks: ContentBlockParam[] = [];
  const calls = [...turn.calls];
  let at = 0;
  for (const part of layout) {
    if (part.type === "text") {
      const words = turn.text.slice(at, at + part.length);
      at += part.length;
      if (words.trim() !== "") blocks.push({ type: "text", text: words });
    } else if (part.type === "tool_use") {
      const call = calls.shift();
      if (call?.id !== part.id) return undefined;
      blocks.push(toolUse(call));
    } else {
      blocks.push(part);
    }
  }
  return at === turn.text.length && calls.length === 0 ? blocks : undefined;
}
