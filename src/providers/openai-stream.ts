import type { AssistantTurn, ModelEvent, StopReason, Usage } from "../contracts/model.ts";
import { apiFailure } from "./failure.ts";
import type { Platform } from "./failure.ts";
import { brokenOff } from "./connection-failure.ts";
import type { KeptReasoning } from "./openai-request.ts";
import { collectCalls } from "./openai-calls.ts";
import type { CallDelta } from "./openai-calls.ts";
import { mergeReasoningDetails } from "./openai-reasoning.ts";
import type { StreamEvent } from "./sse.ts";

export interface OpenaiAnswer {
  readonly turn: AssistantTurn;
  readonly stop: StopReason;
  /** Undefined where the server does not count. */
  readonly usage: Usage | undefined;
}

/** What servers put into a chunk; everything may be missing, whatever the specification says. */
interface Chunk {
  readonly object?: unknown;
  readonly error?: unknown;
  readonly choices?: readonly Choice[] | null;
  readonly usage?: WireUsage | null;
  readonly x_groq?: { readonly usage?: WireUsage; readonly error?: unknown };
}

interface Choice {
  readonly delta?: Delta | null;
  /** Where a server does not stream at all. */
  readonly message?: Delta | null;
  readonly finish_reason?: string | null;
}

interface Delta {
  readonly content?: string | readonly ContentPart[] | null;
  readonly reasoning_content?: string | null;
  readonly reasoning?: string | null;
  readonly reasoning_details?: readonly unknown[] | null;
  readonly refusal?: string | null;
  readonly tool_calls?: readonly CallDelta[] | null;
}

/** Mistral streams a model's thinking as parts of the content. */
interface ContentPart {
  readonly type?: string;
  readonly text?: string;
  readonly thinking?: string | readonly ContentPart[];
}

interface WireUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number | null } | null;
  /** DeepSeek's name for it. */
  readonly prompt_cache_hit_tokens?: number;
  /** OpenRouter: US dollars; with an own key upstream, what that costs comes on top. */
  readonly cost?: number | null;
  readonly is_byok?: boolean;
  readonly cost_details?: { readonly upstream_inference_cost?: number | null } | null;
}

/**
 * The Chat Completions stream as our events; returns the whole answer. Complete is an answer with a finish reason, with
 * `[DONE]`, or with the closing usage, since no server lacks all three; any other end is a broken connection.
 * `isTaken` tells which call ids the conversation has already.
 */
export async function* readOpenai(
  events: AsyncIterable<StreamEvent>,
  modelId: string,
  platform: Platform,
  isTaken: (callId: string) => boolean,
): AsyncGenerator<ModelEvent, OpenaiAnswer> {
  const calls = collectCalls(isTaken);
  let text = "";
  let refusal = "";
  let reasoning: string | undefined;
  let details: unknown[] = [];
  let finish: string | undefined;
  let isDone = false;
  let counted: WireUsage | undefined;
  for await (const event of events) {
    if (event.type === "sign-of-life") {
      yield { type: "thinking", delta: "" };
      continue;
    }
    if (event.data.trim() === "[DONE]") {
      isDone = true;
      break;
    }
    const chunk = (JSON.parse(event.data) ?? {}) as Chunk;
    throwIfError(chunk, event.name, platform);
    counted = chunk.usage ?? chunk.x_groq?.usage ?? counted;
    const choice = chunk.choices?.[0];
    const delta = choice?.delta ?? choice?.message ?? {};
    finish = choice?.finish_reason ?? finish;
    const words = wordsOf(delta.content);
    const thought = (delta.reasoning_content ?? delta.reasoning ?? "") + thoughtsOf(delta.content);
    if (typeof delta.reasoning_content === "string") {
      reasoning = (reasoning ?? "") + delta.reasoning_content;
    }
    details = mergeReasoningDetails(details, delta.reasoning_details ?? []);
    for (const call of delta.tool_calls ?? []) calls.add(call);
    refusal += delta.refusal ?? "";
    text += words + (delta.refusal ?? "");
    if (words !== "") yield { type: "text", delta: words };
    if (delta.refusal) yield { type: "text", delta: delta.refusal };
    if (words === "" && !delta.refusal) yield { type: "thinking", delta: thought };
    else if (thought !== "") yield { type: "thinking", delta: thought };
  }
  if (finish === "error") throw apiFailure(undefined, undefined, {}, platform);
  if (finish === undefined && !isDone && counted === undefined) throw brokenOff(platform);
  const stop = stopOf(finish, refusal, calls.count);
  const kept: KeptReasoning = {
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(details.length === 0 ? {} : { reasoning_details: details }),
  };
  const turn: AssistantTurn = {
    role: "assistant",
    text,
    calls: stop === "refused" ? [] : calls.finished(),
    ...(Object.keys(kept).length === 0 ? {} : { opaque: { model: modelId, value: kept } }),
  };
  return { turn, stop, usage: usageOf(counted) };
}

/** OpenRouter and vLLM put errors into the stream, each in a shape of its own. */
function throwIfError(chunk: Chunk, eventName: string, platform: Platform): void {
  const inner = chunk.error ?? chunk.x_groq?.error;
  if (inner !== undefined && inner !== null) {
    throw apiFailure(undefined, undefined, { error: inner }, platform);
  }
  if (chunk.object === "error" || eventName === "error") {
    throw apiFailure(undefined, undefined, chunk, platform);
  }
}

function wordsOf(content: Delta["content"]): string {
  if (typeof content === "string") return content;
  return (content ?? []).map(({ type, text = "" }) => (type === "text" ? text : "")).join("");
}

function thoughtsOf(content: Delta["content"]): string {
  if (typeof content === "string") return "";
  return (content ?? [])
    .map(({ thinking = "" }) => (typeof thinking === "string" ? thinking : wordsOf(thinking)))
    .join("");
}

function stopOf(finish: string | undefined, refusal: string, calls: number): StopReason {
  if (finish === "content_filter" || refusal !== "") return "refused";
  if (calls > 0) return "tool-calls";
  return finish === "length" ? "length" : "answered";
}

function usageOf(counted: WireUsage | undefined): Usage | undefined {
  const { prompt_tokens: input = 0, completion_tokens: output = 0 } = counted ?? {};
  if (counted === undefined || input + output === 0) return undefined;
  const cached =
    counted.prompt_tokens_details?.cached_tokens ?? counted.prompt_cache_hit_tokens ?? 0;
  const upstream =
    counted.is_byok === true ? (counted.cost_details?.upstream_inference_cost ?? 0) : 0;
  return {
    inputTokens: input,
    cachedInputTokens: Math.min(cached, input),
    outputTokens: output,
    ...(typeof counted.cost === "number" ? { costUsd: counted.cost + upstream } : {}),
  };
}
