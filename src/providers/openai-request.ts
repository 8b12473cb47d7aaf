import type { AssistantTurn, Content, ModelRequest, ToolTurn, Turn } from "../contracts/model.ts";
import * as z from "zod";
import type { Flavour } from "./openai-flavours.ts";
import type { RemoteSettings } from "./settings.ts";
import { inputObject } from "./tool-input.ts";
import { wellFormed } from "./well-formed.ts";

export interface OpenaiOptions {
  /** The chat model's id, by which its own reasoning is recognised. */
  readonly id: string;
  readonly settings: RemoteSettings;
  readonly flavour: Flavour;
  readonly maxOutputTokens: number;
  /** Parameters that this server has refused; see `adaptTo`. */
  readonly refused: ReadonlySet<string>;
}

export type Body = Record<string, unknown> & { readonly messages: readonly WireMessage[] };

/** A message as it goes over the wire; the SDK's types lack what the compatible servers add. */
interface WireMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  content: string | readonly Part[];
  readonly tool_calls?: readonly WireCall[];
  readonly tool_call_id?: string;
  readonly reasoning_content?: string;
  readonly reasoning_details?: readonly unknown[];
}

type Part =
  | { readonly type: "text"; readonly text: string; readonly cache_control?: typeof breakpoint }
  | { readonly type: "image_url"; readonly image_url: { readonly url: string } };

interface WireCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** What is kept of an answer's reasoning for the servers that want it back; see `readOpenai`. */
const keptReasoning = z.object({
  reasoning_content: z.string().optional(),
  reasoning_details: z.array(z.unknown()).optional(),
});

export type KeptReasoning = z.infer<typeof keptReasoning>;

/** The Chat Completions body. What stands before the last turn keeps its bytes from one request to the next. */
export function openaiBody(request: ModelRequest, options: OpenaiOptions): Body {
  const { settings, flavour, refused } = options;
  const messages = messagesOf(wellFormed(request.turns), options);
  const system = request.system.trim() === "" ? [] : [systemMessage(request.system)];
  const body = {
    model: settings.model,
    messages: flavour.wantsBreakpoints(settings.model)
      ? markForCache([...system, ...messages])
      : [...system, ...messages],
    ...toolsOf(request),
    [lengthParameter(options)]: Math.min(request.maxOutputTokens, options.maxOutputTokens),
    ...flavour.extras,
    ...(settings.thinking === undefined ? {} : flavour.thinking(settings.thinking)),
    stream: true,
    stream_options: { include_usage: true },
  };
  return Object.fromEntries(Object.entries(body).filter(([name]) => !refused.has(name))) as Body;
}

/**
 * What to do after a 400: the parameter that the server's words name is left out from now on (a length parameter is replaced
 * by its other name). Undefined when no optional parameter is to blame, so that trying again is of no use.
 */
export function adaptTo(words: string, body: Body): string | undefined {
  if (
    !/unsupported|not support|unrecognized|unknown|unexpected|extra|invalid|not permitted|not allowed/i.test(
      words,
    )
  ) {
    return undefined;
  }
  // The words often name both length parameters ("use 'max_completion_tokens' instead"): the one sent is to blame.
  return optionalParameters.find((name) => name in body && new RegExp(`\\b${name}\\b`).test(words));
}

const lengthParameters = ["max_tokens", "max_completion_tokens"] as const;

const optionalParameters = [
  ...lengthParameters,
  "stream_options",
  "reasoning_effort",
  "reasoning",
  "thinking",
  "chat_template_kwargs",
  "usage",
];

function lengthParameter({ settings, flavour, refused }: OpenaiOptions): string {
  const preferred = flavour.newLengthParameter(settings) ? 1 : 0;
  return refused.has(lengthParameters[preferred])
    ? lengthParameters[1 - preferred]!
    : lengthParameters[preferred];
}

function systemMessage(content: string): WireMessage {
  return { role: "system", content };
}

/** An empty list of tools is refused by the API. */
function toolsOf({ tools }: ModelRequest): { readonly tools?: readonly unknown[] } {
  if (tools.length === 0) return {};
  return {
    tools: tools.map(({ name, description, inputSchema }) => ({
      type: "function",
      function: { name, description, parameters: inputSchema },
    })),
  };
}

/** Many servers' templates demand that user and assistant alternate, so neighbours of one role become one message. */
function messagesOf(turns: readonly Turn[], options: OpenaiOptions): WireMessage[] {
  const messages: WireMessage[] = [];
  let images: Part[] = [];
  const flushImages = (): void => {
    if (images.length > 0) messages.push({ role: "user", content: images });
    images = [];
  };
  for (const turn of turns) {
    if (turn.role !== "tool") flushImages();
    if (turn.role === "tool") {
      messages.push(toolMessage(turn));
      images.push(...imagesOf(turn));
      continue;
    }
    const message =
      turn.role === "user" ? userMessage(turn.content) : assistantMessage(turn, options);
    const last = messages.at(-1);
    if (last !== undefined && last.role === message.role && isPlain(last) && isPlain(message)) {
      last.content = joined(last.content, message.content);
    } else {
      messages.push(message);
    }
  }
  flushImages();
  return messages;
}

function userMessage(content: readonly Content[]): WireMessage {
  const parts = content.map((part): Part => (part.type === "text" ? part : imagePart(part)));
  const isText = parts.every((part) => part.type === "text");
  return {
    role: "user",
    content: isText ? parts.map(({ text }) => text).join("\n\n") || "(An empty message.)" : parts,
  };
}

function assistantMessage(turn: AssistantTurn, options: OpenaiOptions): WireMessage {
  return {
    role: "assistant",
    content: turn.text,
    ...reasoningOf(turn, options),
    ...(turn.calls.length === 0
      ? {}
      : {
          tool_calls: turn.calls.map((call) => ({
            id: wireId(call.id),
            type: "function" as const,
            function: { name: call.name, arguments: JSON.stringify(inputObject(call)) },
          })),
        }),
  };
}

/** Reasoning goes back only with tool calls, where DeepSeek demands it (even empty) and OpenRouter advises it. */
function reasoningOf(
  turn: AssistantTurn,
  { id, flavour }: OpenaiOptions,
): Pick<WireMessage, "reasoning_content" | "reasoning_details"> {
  if (turn.calls.length === 0) return {};
  const kept =
    turn.opaque?.model === id ? (keptReasoning.safeParse(turn.opaque.value).data ?? {}) : {};
  if (flavour.reasoningBack === "details") {
    return kept.reasoning_details === undefined
      ? {}
      : { reasoning_details: kept.reasoning_details };
  }
  if (flavour.reasoningBack === "always")
    return { reasoning_content: kept.reasoning_content ?? "" };
  if (flavour.reasoningBack === "never" || kept.reasoning_content === undefined) return {};
  return { reasoning_content: kept.reasoning_content };
}

/** Tool messages hold text only; their images follow in a user message. */
function toolMessage({ callId, content, failed }: ToolTurn): WireMessage {
  const text = content
    .map((part) => (part.type === "text" ? part.text : "(An image, shown below.)"))
    .join("\n\n");
  const words = text.trim() === "" ? "(No output.)" : text;
  const isMarked = /^error\b/i.test(words);
  return {
    role: "tool",
    tool_call_id: wireId(callId),
    content: failed && !isMarked ? `Error: ${words}` : words,
  };
}

function imagesOf({ content }: ToolTurn): Part[] {
  return content.filter((part) => part.type === "image").map(imagePart);
}

function imagePart({ mediaType, data }: Extract<Content, { type: "image" }>): Part {
  const url = `data:${mediaType};base64,${Buffer.from(data).toString("base64")}`;
  return { type: "image_url", image_url: { url } };
}

/** The API takes ids of at most 40 characters; other providers' may be longer, and differ at their end. */
function wireId(id: string): string {
  return id.slice(-40);
}

function isPlain(message: WireMessage): boolean {
  return (
    message.role === "user" || (message.role === "assistant" && message.tool_calls === undefined)
  );
}

function joined(
  first: WireMessage["content"],
  second: WireMessage["content"],
): WireMessage["content"] {
  if (typeof first === "string" && typeof second === "string") return `${first}\n\n${second}`;
  return [...partsOf(first), ...partsOf(second)];
}

function partsOf(content: WireMessage["content"]): readonly Part[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

const breakpoint = { type: "ephemeral" } as const;

/** Claude behind OpenRouter caches only up to marked parts: the system message and the last two of the user's. */
function markForCache(messages: readonly WireMessage[]): WireMessage[] {
  const users = messages.flatMap(({ role }, index) => (role === "user" ? [index] : [])).slice(-2);
  return messages.map((message, index) => {
    if (message.role !== "system" && !users.includes(index)) return message;
    const parts = partsOf(message.content);
    const last = parts.at(-1);
    if (last?.type !== "text") return message;
    return { ...message, content: [...parts.slice(0, -1), { ...last, cache_control: breakpoint }] };
  });
}
