import type {
  ContentBlockParam,
  MessageCreateParamsStreaming,
  MessageParam,
  TextBlockParam,
  ThinkingConfigParam,
  Tool,
} from "@anthropic-ai/sdk/resources/messages";
import type {
  AssistantTurn,
  Content,
  ModelRequest,
  ToolCall,
  ToolTurn,
  Turn,
} from "../contracts/model.ts";
import type { Thinking } from "./settings.ts";
import { restoreBlocks } from "./anthropic-thinking.ts";
import { inputObject } from "./tool-input.ts";
import { wellFormed } from "./well-formed.ts";

export interface AnthropicOptions {
  /** The chat model's id, by which its own thinking is recognised. */
  readonly id: string;
  readonly model: string;
  readonly maxOutputTokens: number;
  readonly thinking: Thinking;
}

/**
 * The Messages API's body. Everything before the last turn keeps its bytes from one request to the next, but for the two
 * cache breakpoints on the messages, which move along: the last message, and the last user message before it.
 */
export function anthropicBody(
  request: ModelRequest,
  options: AnthropicOptions,
): MessageCreateParamsStreaming {
  const turns = wellFormed(request.turns);
  const messages = messagesOf(turns, options.id);
  const maxTokens = Math.min(request.maxOutputTokens, options.maxOutputTokens);
  return {
    model: options.model,
    ...systemAndTools(request),
    messages: markForCache(messages),
    ...thinkingParams(options, maxTokens, opensWithThinking(messages)),
    stream: true,
  };
}

const breakpoint = { type: "ephemeral" } as const;

/** Tools come before the system text in what the model reads, so one breakpoint behind both covers both. */
function systemAndTools({
  system,
  tools,
}: ModelRequest): Pick<MessageCreateParamsStreaming, "system" | "tools"> {
  const hasSystem = system.trim() !== "";
  const specs = tools.map((tool, index): Tool => {
    const isLast = !hasSystem && index === tools.length - 1;
    return {
      name: tool.name,
      description: tool.description,
      input_schema: tool.inputSchema as Tool["input_schema"],
      ...(isLast ? { cache_control: breakpoint } : {}),
    };
  });
  return {
    ...(specs.length === 0 ? {} : { tools: specs }),
    ...(hasSystem ? { system: [{ type: "text", text: system, cache_control: breakpoint }] } : {}),
  };
}

interface Message {
  readonly role: "user" | "assistant";
  readonly content: ContentBlockParam[];
}

/** Turns of one role in a row become one message; the conversation starts and ends with the user. */
function messagesOf(turns: readonly Turn[], id: string): Message[] {
  const messages: Message[] = [];
  const add = (role: Message["role"], content: ContentBlockParam[]): void => {
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...content);
    else messages.push({ role, content });
  };
  for (const turn of turns) {
    if (turn.role === "assistant") {
      if (messages.length === 0) add("user", [text("(The conversation goes on.)")]);
      add("assistant", assistantBlocks(turn, id));
    } else if (turn.role === "tool") {
      add("user", [toolResult(turn)]);
    } else {
      add("user", userBlocks(turn.content, "(An empty message.)"));
    }
  }
  if (messages.at(-1)?.role !== "user") add("user", [text("(Please go on.)")]);
  return messages;
}

function assistantBlocks(turn: AssistantTurn, id: string): ContentBlockParam[] {
  const restored = turn.opaque?.model === id ? restoreBlocks(turn, toolUse) : undefined;
  if (restored !== undefined) return restored;
  const words = turn.text.trim() === "" ? [] : [text(turn.text)];
  return [...words, ...turn.calls.map(toolUse)];
}

function toolUse(call: ToolCall): ContentBlockParam {
  return { type: "tool_use", id: wireId(call.id), name: call.name, input: inputObject(call) };
}

function toolResult({ callId, content, failed }: ToolTurn): ContentBlockParam {
  return {
    type: "tool_result",
    tool_use_id: wireId(callId),
    content: userBlocks(content, "(No output.)"),
    ...(failed ? { is_error: true } : {}),
  };
}

const imageTypes = ["image/jpeg", "image/png", "image/gif", "image/webp"] as const;

type UserBlock = Extract<ContentBlockParam, { type: "text" | "image" }>;

/** Blank text blocks are refused by the API, and other image types as well. */
function userBlocks(content: readonly Content[], placeholder: string): UserBlock[] {
  const blocks = content.flatMap((part): UserBlock[] => {
    if (part.type === "text") return part.text.trim() === "" ? [] : [text(part.text)];
    const mediaType = imageTypes.find((type) => type === part.mediaType);
    if (mediaType === undefined) return [text(`(An image of type ${part.mediaType}, left out.)`)];
    const data = Buffer.from(part.data).toString("base64");
    return [{ type: "image", source: { type: "base64", media_type: mediaType, data } }];
  });
  return blocks.length === 0 ? [text(placeholder)] : blocks;
}

function text(words: string): TextBlockParam {
  return { type: "text", text: words };
}

/** Other providers' ids may hold characters that this API refuses. */
function wireId(id: string): string {
  return id.replace(/[^A-Za-z0-9_-]/g, "_");
}

function markForCache(messages: readonly Message[]): MessageParam[] {
  const last = messages.length - 1;
  const before = messages.findLastIndex(({ role }, index) => role === "user" && index < last);
  return messages.map(({ role, content }, index) => {
    if (index !== last && index !== before) return { role, content };
    const marked = { ...content.at(-1), cache_control: breakpoint } as ContentBlockParam;
    return { role, content: [...content.slice(0, -1), marked] };
  });
}

const budgetTokens = { low: 2048, medium: 8192, high: 16_000 } as const;

/** Claude 3.7 to 4.5 take a budget, later ones refuse it and take an effort; 3.5 and older do not think. */
function thinkingParams(
  { model, thinking }: AnthropicOptions,
  maxTokens: number,
  mayThink: boolean,
): {
  max_tokens: number;
  thinking?: ThinkingConfigParam;
  output_config?: { effort: "low" | "medium" | "high" };
} {
  const plain = { max_tokens: maxTokens };
  if (thinking === undefined || /claude-3-(5|opus|sonnet|haiku)/.test(model)) return plain;
  if (thinking === "off") return { ...plain, thinking: { type: "disabled" } };
  if (!takesBudget(model)) {
    return {
      ...plain,
      thinking: { type: "adaptive", display: "summarized" },
      output_config: { effort: thinking },
    };
  }
  // With a budget, a tool loop that began without thinking (another model's) cannot go on with it.
  if (!mayThink) return plain;
  const budget = budgetTokens[thinking];
  return { max_tokens: maxTokens + budget, thinking: { type: "enabled", budget_tokens: budget } };
}

function takesBudget(model: string): boolean {
  return (
    /claude-3-7|claude-(opus|sonnet|haiku)-4(-[0125](?!\d)|-2025|@|$)/.test(model) ||
    !/claude/.test(model)
  );
}

/** False in the middle of a tool loop whose assistant message has no thinking in front. */
function opensWithThinking(messages: readonly Message[]): boolean {
  const answersCalls = messages.at(-1)?.content.some(({ type }) => type === "tool_result") ?? false;
  const first = messages.findLast(({ role }) => role === "assistant")?.content[0]?.type;
  return !answersCalls || first === "thinking" || first === "redacted_thinking";
}
