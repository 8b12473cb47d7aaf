import type { ScriptedCall } from "./model-script.ts";
import type { ToolOutcome } from "./model.ts";

/** What the counterpart reads from a request, whichever wire it came by. */
export interface Asked {
  readonly model: string;
  readonly system: string;
  readonly tools: string;
  readonly lastUser: string;
  readonly results: readonly ToolOutcome[];
  readonly turns: number;
  readonly images: readonly { readonly mediaType: string; readonly bytes: number }[];
  readonly includeUsage: boolean;
}

/** One of the two wires: how a request is read, and which server-sent events make the answer. */
export interface Wire {
  read(body: unknown): Asked;
  /** What the real service answers with status 400: a tool call without its result, or the reverse. */
  complaint(body: unknown): string | undefined;
  open(asked: Asked, id: string): string;
  delta(text: string, asked: Asked, id: string): string;
  finish(asked: Asked, id: string): string;
  /** The whole answer after `open`. */
  calls(calls: readonly ScriptedCall[], asked: Asked, id: string): string;
  error(status: number, message: string): unknown;
}

interface Part {
  readonly type: string;
  readonly id?: string;
  readonly text?: string;
  readonly image_url?: { readonly url: string };
  readonly source?: { readonly media_type: string; readonly data: string };
  readonly tool_use_id?: string;
  readonly content?: string | readonly Part[];
  readonly is_error?: boolean;
}

interface WireMessage {
  readonly role: string;
  readonly tool_calls?: readonly { readonly id: string }[];
  readonly tool_call_id?: string;
  readonly content?: string | readonly Part[] | null;
}

const usageTokens = { input: 100, output: 10 };

/** https://platform.openai.com/docs/api-reference/chat-streaming */
export const openaiWire: Wire = {
  read(body) {
    const request = body as {
      readonly model: string;
      readonly messages: readonly WireMessage[];
      readonly tools?: unknown;
      readonly stream_options?: { readonly include_usage?: boolean };
    };
    const { messages } = request;
    const isSystem = ({ role }: WireMessage): boolean => role === "system" || role === "developer";
    const last = messages.findLastIndex(({ role }) => role === "user");
    return {
      model: request.model,
      system: JSON.stringify(messages.filter(isSystem).map(({ content }) => content)),
      tools: JSON.stringify(request.tools ?? []),
      lastUser: textOf(messages[last]?.content),
      results: messages
        .slice(last + 1)
        .filter(({ role }) => role === "tool")
        .map(({ content }) => ({ text: textOf(content), failed: /^error/i.test(textOf(content)) })),
      turns: messages.length,
      images: imagesOf(messages[last]?.content),
      includeUsage: request.stream_options?.include_usage === true,
    };
  },
  complaint(body) {
    const { messages } = body as { readonly messages: readonly WireMessage[] };
    let open: readonly string[] = [];
    for (const { role, tool_calls, tool_call_id } of messages) {
      if (role === "tool") {
        if (!open.includes(tool_call_id ?? "")) {
          return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.";
        }
        open = open.filter((id) => id !== tool_call_id);
        continue;
      }
      if (open.length > 0) break;
      open = (tool_calls ?? []).map(({ id }) => id);
    }
    if (open.length === 0) return undefined;
    return `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${open.join(", ")}`;
  },
  open: (asked, id) => openaiChunk(asked, id, { role: "assistant", content: "" }),
  delta: (text, asked, id) => openaiChunk(asked, id, { content: text }),
  finish: (asked, id) => openaiEnd(asked, id, "stop"),
  calls: (calls, asked, id) =>
    calls
      .map(({ name, input }, index) => {
        const half = Math.ceil(input.length / 2);
        const head = {
          index,
          id: `${id}-${index}`,
          type: "function",
          function: { name, arguments: "" },
        };
        return (
          openaiChunk(asked, id, { tool_calls: [head] }) +
          [input.slice(0, half), input.slice(half)]
            .map((piece) =>
              openaiChunk(asked, id, { tool_calls: [{ index, function: { arguments: piece } }] }),
            )
            .join("")
        );
      })
      .join("") + openaiEnd(asked, id, "tool_calls"),
  error: (status, message) => ({
    error: {
      message,
      type: status === 429 ? "rate_limit_error" : "server_error",
      param: null,
      code: null,
    },
  }),
};

function openaiChunk(
  asked: Asked,
  id: string,
  delta: unknown,
  finish: string | null = null,
): string {
  return sse({
    id,
    object: "chat.completion.chunk",
    created: Math.floor(Date.now() / 1000),
    model: asked.model,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
}

function openaiEnd(asked: Asked, id: string, finish: string): string {
  const usage = {
    id,
    object: "chat.completion.chunk",
    created: Math.floor(Date.now() / 1000),
    model: asked.model,
    choices: [],
    usage: {
      prompt_tokens: usageTokens.input,
      completion_tokens: usageTokens.output,
      total_tokens: usageTokens.input + usageTokens.output,
    },
  };
  return `${openaiChunk(asked, id, {}, finish)}${asked.includeUsage ? sse(usage) : ""}data: [DONE]\n\n`;
}

/** https://docs.anthropic.com/en/api/messages-streaming */
export const anthropicWire: Wire = {
  read(body) {
    const request = body as {
      readonly model: string;
      readonly system?: unknown;
      readonly tools?: unknown;
      readonly messages: readonly WireMessage[];
    };
    const { messages } = request;
    const isPerson = ({ role, content }: WireMessage): boolean =>
      role === "user" &&
      (typeof content === "string" || partsOf(content).some(({ type }) => type !== "tool_result"));
    const last = messages.findLastIndex(isPerson);
    return {
      model: request.model,
      system: JSON.stringify(request.system ?? ""),
      tools: JSON.stringify(request.tools ?? []),
      lastUser: textOf(messages[last]?.content),
      results: messages
        .slice(last + 1)
        .flatMap(({ content }) => partsOf(content).filter(({ type }) => type === "tool_result"))
        .map(({ content, is_error }) => ({ text: textOf(content), failed: is_error === true })),
      turns: messages.length,
      images: imagesOf(messages[last]?.content),
      includeUsage: true,
    };
  },
  complaint(body) {
    const { messages } = body as { readonly messages: readonly WireMessage[] };
    for (const [index, { role, content }] of messages.entries()) {
      if (role !== "assistant") continue;
      const called = partsOf(content).filter(({ type }) => type === "tool_use");
      const results = partsOf(messages[index + 1]?.content).map(({ tool_use_id }) => tool_use_id);
      const lone = called.find(({ id }) => !results.includes(id));
      if (lone !== undefined) {
        return `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${lone.id}.`;
      }
    }
    return undefined;
  },
  open: (asked, id) =>
    event({
      type: "message_start",
      message: {
        id: `msg_${id}`,
        type: "message",
        role: "assistant",
        model: asked.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: {
          input_tokens: usageTokens.input,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 0,
          output_tokens: 1,
        },
      },
    }) + event({ type: "ping" }),
  delta: (text) =>
    event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }) +
    event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }),
  finish: () => event({ type: "content_block_stop", index: 0 }) + anthropicEnd("end_turn"),
  calls: (calls, _asked, id) =>
    calls
      .map(
        ({ name, input }, index) =>
          event({
            type: "content_block_start",
            index,
            content_block: { type: "tool_use", id: `toolu_${id}_${index}`, name, input: {} },
          }) +
          [input.slice(0, 5), input.slice(5)]
            .map((partial_json) =>
              event({
                type: "content_block_delta",
                index,
                delta: { type: "input_json_delta", partial_json },
              }),
            )
            .join("") +
          event({ type: "content_block_stop", index }),
      )
      .join("") + anthropicEnd("tool_use"),
  error: (status, message) => ({
    type: "error",
    error: { type: status === 429 ? "rate_limit_error" : "api_error", message },
  }),
};

function anthropicEnd(reason: string): string {
  return (
    event({
      type: "message_delta",
      delta: { stop_reason: reason, stop_sequence: null },
      usage: { output_tokens: usageTokens.output },
    }) + event({ type: "message_stop" })
  );
}

function sse(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function event(data: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${data.type}\n${sse(data)}`;
}

function partsOf(content: WireMessage["content"]): readonly Part[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : (content ?? []);
}

function textOf(content: WireMessage["content"]): string {
  return partsOf(content)
    .map(({ text }) => text ?? "")
    .filter((text) => text !== "")
    .join("\n");
}

function imagesOf(content: WireMessage["content"]): Asked["images"] {
  return partsOf(content).flatMap(({ image_url, source }) => {
    const [, mediaType = "", data = ""] =
      /^data:([^;]+);base64,(.*)$/s.exec(image_url?.url ?? "") ?? [];
    if (data !== "") return [{ mediaType, bytes: Buffer.from(data, "base64").length }];
    if (source === undefined) return [];
    return [{ mediaType: source.media_type, bytes: Buffer.from(source.data, "base64").length }];
  });
}
