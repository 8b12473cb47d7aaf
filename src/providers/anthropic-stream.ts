import type { RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages";
import type { AssistantTurn, ModelEvent, StopReason, ToolCall, Usage } from "../contracts/model.ts";
import { layoutOf } from "./anthropic-thinking.ts";
import type { AnswerBlock } from "./anthropic-thinking.ts";
import { apiFailure } from "./failure.ts";
import type { Platform } from "./failure.ts";
import { brokenOff } from "./connection-failure.ts";
import type { StreamEvent } from "./sse.ts";
import { toolCall } from "./tool-input.ts";

export interface AnthropicAnswer {
  readonly turn: AssistantTurn;
  readonly stop: StopReason;
  /** Undefined where the server does not count. */
  readonly usage: Usage | undefined;
}

type Block = (Exclude<AnswerBlock, { type: "tool_use" }> | ToolUse) & { readonly index: number };

interface ToolUse {
  readonly type: "tool_use";
  readonly id: string;
  readonly name: string;
  /** The input when it came whole with the block's start, as some compatible servers send it. */
  readonly whole: unknown;
  text: string;
}

type Counts = Partial<
  Record<
    "input_tokens" | "output_tokens" | "cache_creation_input_tokens" | "cache_read_input_tokens",
    number | null
  >
>;

/** The Messages API's stream as our events; returns the whole answer. Throws when the stream ends before the message. */
export async function* readAnthropic(
  events: AsyncIterable<StreamEvent>,
  modelId: string,
  platform: Platform,
): AsyncGenerator<ModelEvent, AnthropicAnswer> {
  const blocks: Block[] = [];
  let counts: Counts = {};
  let stopReason: string | undefined;
  for await (const event of events) {
    const message = event.type === "event" ? parse(event) : undefined;
    switch (message?.type) {
      case "message_start":
        counts = merged(counts, message.message.usage);
        break;
      case "content_block_start":
        yield* startBlock(message.index, message.content_block, blocks);
        break;
      case "content_block_delta":
        yield* grow(
          blocks.find(({ index }) => index === message.index),
          message.delta,
        );
        break;
      case "message_delta":
        stopReason = message.delta.stop_reason ?? stopReason;
        counts = merged(counts, message.usage);
        break;
      case "message_stop":
        return answer(blocks, stopReason, counts, modelId);
      case "error":
        throw apiFailure(undefined, undefined, message, platform);
      default: // A ping or a comment: the model is alive, though it says nothing yet.
        yield { type: "thinking", delta: "" };
    }
  }
  if (stopReason === undefined) throw brokenOff(platform);
  return answer(blocks, stopReason, counts, modelId);
}

type Message = RawMessageStreamEvent | { readonly type: "ping" | "error" };

function parse({ data }: { readonly data: string }): Message {
  return JSON.parse(data) as Message;
}

type Started = Extract<RawMessageStreamEvent, { type: "content_block_start" }>["content_block"];
type Delta = Extract<RawMessageStreamEvent, { type: "content_block_delta" }>["delta"];

function* startBlock(index: number, start: Started, blocks: Block[]): Generator<ModelEvent> {
  switch (start.type) {
    case "text":
      blocks.push({ index, type: "text", text: start.text });
      if (start.text !== "") yield { type: "text", delta: start.text };
      break;
    case "thinking": {
      const { thinking, signature = "" } = start as { thinking: string; signature?: string };
      blocks.push({ index, type: "thinking", thinking, signature });
      yield { type: "thinking", delta: thinking };
      break;
    }
    case "redacted_thinking":
      blocks.push({ index, type: "redacted_thinking", data: start.data });
      break;
    case "tool_use":
      blocks.push({
        index,
        type: "tool_use",
        id: start.id,
        name: start.name,
        whole: start.input,
        text: "",
      });
      break;
    default: // Blocks of the provider's own tools, which we never ask for.
  }
}

function* grow(block: Block | undefined, delta: Delta): Generator<ModelEvent> {
  if (delta.type === "text_delta" && block?.type === "text") {
    block.text += delta.text;
    yield { type: "text", delta: delta.text };
  }
  if (delta.type === "thinking_delta" && block?.type === "thinking") {
    block.thinking += delta.thinking;
    yield { type: "thinking", delta: delta.thinking };
  }
  if (delta.type === "signature_delta" && block?.type === "thinking") {
    block.signature += delta.signature;
  }
  if (delta.type === "input_json_delta" && block?.type === "tool_use") {
    block.text += delta.partial_json;
    yield { type: "thinking", delta: "" }; // a long input is a sign of life, too
  }
}

function answer(
  blocks: readonly Block[],
  stopReason: string | undefined,
  counts: Counts,
  modelId: string,
): AnthropicAnswer {
  const text = blocks.map((block) => (block.type === "text" ? block.text : "")).join("");
  const calls = blocks.filter((block) => block.type === "tool_use").map(callOf);
  const stop = stopOf(stopReason, calls);
  const layout = layoutOf(blocks);
  const turn: AssistantTurn = {
    role: "assistant",
    text,
    // A refusal may come in the middle of a call, which nobody should run.
    calls: stop === "refused" ? [] : calls,
    ...(layout === undefined ? {} : { opaque: { model: modelId, value: layout } }),
  };
  const { input_tokens: fresh, output_tokens: output } = counts;
  const written = counts.cache_creation_input_tokens ?? 0;
  const cached = counts.cache_read_input_tokens ?? 0;
  const total = (fresh ?? 0) + written + cached;
  const usage =
    total + (output ?? 0) === 0
      ? undefined
      : { inputTokens: total, cachedInputTokens: cached, outputTokens: output ?? 0 };
  return { turn, stop, usage };
}

function callOf({ id, name, whole, text }: ToolUse): ToolCall {
  const isGiven = typeof whole === "object" && whole !== null && Object.keys(whole).length > 0;
  return text === "" && isGiven ? { id, name, input: whole } : toolCall(id, name, text);
}

/** `pause_turn` means that the API's own loop wants to go on, so the answer is not whole. */
function stopOf(reason: string | undefined, calls: readonly ToolCall[]): StopReason {
  if (reason === "refusal") return "refused";
  if (calls.length > 0) return "tool-calls";
  const isCut =
    reason === "max_tokens" ||
    reason === "model_context_window_exceeded" ||
    reason === "pause_turn";
  return isCut ? "length" : "answered";
}

/** Counts are cumulative, and those of the end are more than those of the start, where they are given at all. */
function merged(before: Counts, given: Counts | undefined): Counts {
  const told = Object.entries(given ?? {}).filter(([, count]) => typeof count === "number");
  return { ...before, ...(Object.fromEntries(told) as Counts) };
}
