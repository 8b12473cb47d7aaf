export interface TextContent {
  readonly type: "text";
  readonly text: string;
}

export interface ImageContent {
  readonly type: "image";
  readonly mediaType: string;
  readonly data: Uint8Array;
}

export type Content = TextContent | ImageContent;

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As the model gave it, not validated. */
  readonly input: unknown;
  /** The raw text when it was not whole JSON (cut off, or broken); the call is then answered with an error. */
  readonly malformed?: string | undefined;
}

export interface UserTurn {
  readonly role: "user";
  readonly content: readonly Content[];
}

export interface AssistantTurn {
  readonly role: "assistant";
  readonly text: string;
  readonly calls: readonly ToolCall[];
  /** State only its own provider reads (signed reasoning, say), sent back unchanged, dropped for another model. JSON. */
  readonly opaque?: { readonly model: string; readonly value: unknown } | undefined;
}

export interface ToolTurn {
  readonly role: "tool";
  readonly callId: string;
  readonly content: readonly Content[];
  readonly failed: boolean;
}

export type Turn = UserTurn | AssistantTurn | ToolTurn;

export interface Usage {
  /** All input tokens, the cached ones among them. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  /** Where the provider reports it. */
  readonly costUsd?: number | undefined;
}

export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the input object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** `system` and `tools` are byte-stable between turns of a conversation, so that providers' prompt caches hit. */
export interface ModelRequest {
  readonly system: string;
  readonly turns: readonly Turn[];
  readonly tools: readonly ToolSpec[];
  readonly maxOutputTokens: number;
}

export type StopReason = "answered" | "tool-calls" | "length" | "refused";

export type ModelEvent =
  | { readonly type: "text"; readonly delta: string }
  /** Also the sign of life of a model that thinks long. */
  | { readonly type: "thinking"; readonly delta: string }
  | {
      readonly type: "done";
      readonly turn: AssistantTurn;
      readonly stop: StopReason;
      readonly usage: Usage;
    };

export interface ChatModel {
  /** Unique among the configured models: "anthropic/claude-sonnet-4-5". */
  readonly id: string;
  /** Tokens, input and output together. */
  readonly contextWindow: number;
  readonly maxOutputTokens: number;
  /** Ends with exactly one `done`. Throws `ModelError`, whose `kind` says whether to retry or fall back. */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}
