import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Turn } from "../../src/contracts/model.ts";
import { json, sse, startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";
import { collect, openModel, readFileTool, request } from "../support/model-settings.ts";

let server: ModelServer;

beforeAll(async () => {
  server = await startModelServer();
});

afterAll(async () => {
  await server.stop();
});

const open = async (provider = "openai", more: Record<string, unknown> = {}) =>
  await openModel(provider, {
    api_key: "sk-test-1234567890",
    model: "some-model",
    base_url: `${server.url}/v1`,
    ...more,
  });

const done = "data: [DONE]\n\n";
const chunk = (delta: unknown, finish: string | null = null) => ({
  object: "chat.completion.chunk",
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const call = (
  index: number | undefined,
  id: string | undefined,
  name?: string,
  args?: unknown,
) => ({
  index,
  id,
  function: { name, arguments: args },
});
const usage = { choices: [], usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 } };

describe("the stream", () => {
  const events = [
    chunk({ content: "Grüße, " }),
    chunk({ content: "日本 👋" }, "stop"),
    usage,
    done,
  ];

  test.each([1, 2, 3, 7, 64])("may be cut every %i bytes", async (pieceBytes) => {
    server.answer(sse(events, { pieceBytes }));
    const { text, done } = await collect(await open());
    expect(text).toBe("Grüße, 日本 👋");
    expect(done.usage).toMatchObject({ inputTokens: 12, outputTokens: 3, cachedInputTokens: 0 });
  });

  test.each(["\n", "\r\n", "\r"])("may end its lines with %j", async (newline) => {
    server.answer(sse(events.slice(0, 3), { newline, pieceBytes: 5 }));
    expect((await collect(await open())).text).toBe("Grüße, 日本 👋");
  });

  const endings = [
    { without: "[DONE]", events: events.slice(0, 3) },
    { without: "a finish reason", events: [chunk({ content: "Hi" }), done] },
    { without: "usage", events: [chunk({ content: "Hi" }, "stop"), done] },
    { without: "its last empty line", events: [chunk({ content: "Hi" }), "data: [DONE]"] },
  ];

  test.each(endings)("may lack $without", async ({ events }) => {
    server.answer(sse(events));
    const { done } = await collect(await open());
    expect(done.stop).toBe("answered");
    expect(done.turn.text).not.toBe("");
    expect(done.usage.inputTokens).toBeGreaterThan(0);
    expect(done.usage.outputTokens).toBeGreaterThan(0);
  });

  test("that ends without any of them is broken off", async () => {
    server.answer(sse([chunk({ content: "Half an ans" })]));
    await expect(collect(await open())).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("broke off") as string,
    });
  });

  test.each(["close", "reset"])("torn amid an event (%s) is broken off", async (end) => {
    server.answer(sse([chunk({ content: "Half" }), 'data: {"choices":[{"del'], { end }));
    await expect(collect(await open())).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("broke off") as string,
    });
  });

  test("with broken JSON is a failure", async () => {
    server.answer(sse(["data: {oops}\n\n", done]));
    await expect(collect(await open())).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("not of its protocol") as string,
    });
  });

  test("may be no stream at all", async () => {
    const message = { role: "assistant", content: "Plain." };
    server.answer(json(200, { choices: [{ message, finish_reason: "stop" }], usage: usage.usage }));
    const { text, done } = await collect(await open());
    expect(text).toBe("Plain.");
    expect(done.usage.inputTokens).toBe(12);
  });

  test("tells of life by comments while the model is silent", async () => {
    server.answer(sse([": OPENROUTER PROCESSING\n\n", ": OPENROUTER PROCESSING\n\n", ...events]));
    const chat = await open();
    const types: string[] = [];
    for await (const event of chat.stream(request(), AbortSignal.timeout(5000))) {
      types.push(event.type);
    }
    expect(types.slice(0, 2)).toEqual(["thinking", "thinking"]);
  });

  test("that falls silent ends with the signal's own reason", async () => {
    server.answer(sse([chunk({ content: "Wait" })], { end: "silence" }));
    const stop = new AbortController();
    const events = (await open()).stream(request(), stop.signal)[Symbol.asyncIterator]();
    await events.next();
    const next = events.next();
    stop.abort(new Error("stopped by the user"));
    await expect(next).rejects.toThrow("stopped by the user");
  });

  test("is not begun when the signal is aborted before", async () => {
    const before = server.received.length;
    const given = AbortSignal.abort(new Error("too late"));
    await expect(collect(await open(), request(), given)).rejects.toThrow("too late");
    expect(server.received).toHaveLength(before);
  });
});

describe("an error within the stream", () => {
  const cases = [
    { error: { code: 429, message: "Rate limited" }, kind: "rate-limited" },
    { error: { code: 502, message: "Provider disconnected" }, kind: "unavailable" },
    { error: { code: 402, message: "Insufficient credits" }, kind: "unpaid" },
    { error: { message: "overloaded", type: "server_error" }, kind: "unavailable" },
    { error: { code: "context_length_exceeded", message: "Too long" }, kind: "too-long" },
    { error: { type: "invalid_request_error", message: "No." }, kind: "rejected" },
  ];

  test.each(cases)("is the failure it names: $kind", async ({ error, kind }) => {
    server.answer(sse([chunk({ content: "Hal" }), { error, choices: [] }, done]));
    await expect(collect(await open("openrouter"))).rejects.toMatchObject({ kind });
  });

  test("may come as an object of its own", async () => {
    server.answer(sse([{ object: "error", message: "Out of memory", code: 500 }, done]));
    await expect(collect(await open("vllm"))).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("Out of memory") as string,
    });
  });

  test("may be only a finish reason", async () => {
    server.answer(sse([chunk({ content: "x" }, "error"), done]));
    await expect(collect(await open("openrouter"))).rejects.toMatchObject({ kind: "unavailable" });
  });
});

const calls = async (deltas: readonly unknown[], turns?: readonly Turn[]) => {
  server.answer(
    sse([...deltas.map((tool) => chunk({ tool_calls: [tool] })), chunk({}, "tool_calls"), done]),
  );
  const given = request({ tools: [readFileTool], ...(turns === undefined ? {} : { turns }) });
  const { done: end } = await collect(await open(), given);
  expect(end.stop).toBe("tool-calls");
  return end.turn.calls;
};

describe("tool calls", () => {
  test("come in interleaved pieces by index", async () => {
    const found = await calls([
      call(0, "a", "read_file", '{"pa'),
      call(1, "b", "read_file", ""),
      call(0, undefined, undefined, 'th":"x"}'),
      call(1, undefined, undefined, '{"path":"y"}'),
    ]);
    expect(found).toEqual([
      { id: "a", name: "read_file", input: { path: "x" } },
      { id: "b", name: "read_file", input: { path: "y" } },
    ]);
  });

  const oneByOne = [
    { how: "with one index for all", index: [0, 0], id: ["a", "b"] },
    { how: "without an index", index: [undefined, undefined], id: ["a", "b"] },
    { how: "without ids", index: [0, 1], id: ["", ""] },
    { how: "without ids, and with one index for all", index: [0, 0], id: [undefined, undefined] },
    { how: "with one id for all", index: [0, 1], id: ["a", "a"] },
  ];

  test.each(oneByOne)("may come whole, $how", async ({ index, id }) => {
    const found = await calls([
      call(index[0], id[0], "read_file", '{"path":"x"}'),
      call(index[1], id[1], "read_file", '{"path":"y"}'),
    ]);
    expect(found.map(({ input }) => input)).toEqual([{ path: "x" }, { path: "y" }]);
    expect(new Set(found.map((each) => each.id)).size).toBe(2);
    expect(found.every((each) => each.id !== "")).toBe(true);
  });

  test("may have the input as an object, or none at all", async () => {
    const found = await calls([
      call(0, "a", "read_file", { path: "x" }),
      call(1, "b", "list_files"),
    ]);
    expect(found.map(({ input }) => input)).toEqual([{ path: "x" }, {}]);
  });

  test("may repeat the name in each piece", async () => {
    const found = await calls([
      call(0, "a", "read_file", '{"path"'),
      call(0, "a", "read_file", ':"x"}'),
    ]);
    expect(found).toEqual([{ id: "a", name: "read_file", input: { path: "x" } }]);
  });

  test("get a new id where the conversation has theirs already", async () => {
    const [first] = await calls(
      [call(0, "call_0", "read_file", "{}")],
      [
        { role: "user", content: [{ type: "text", text: "hi" }] },
        {
          role: "assistant",
          text: "",
          calls: [{ id: "call_0", name: "read_file", input: {} }],
        },
        { role: "tool", callId: "call_0", content: [], failed: false },
      ],
    );
    expect(first?.id).not.toBe("call_0");
    expect(first?.name).toBe("read_file");
  });

  test("with a broken input are marked as malformed, with the text as it was", async () => {
    const found = await calls([call(0, "a", "write_file", '{"path": "x", "content": "abc')]);
    expect(found).toEqual([
      { id: "a", name: "write_file", input: undefined, malformed: '{"path": "x", "content": "abc' },
    ]);
  });

  test("cut off by the length are still told, so that they can be answered", async () => {
    server.answer(
      sse([chunk({ tool_calls: [call(0, "a", "write_file", '{"pa')] }, "length"), done]),
    );
    const { done: end } = await collect(await open(), request({ tools: [readFileTool] }));
    expect(end.stop).toBe("tool-calls");
    expect(end.turn.calls[0]?.malformed).toBe('{"pa');
  });
});

describe("how an answer ends", () => {
  const ends = [
    { finish: "stop", stop: "answered" },
    { finish: "length", stop: "length" },
    { finish: "content_filter", stop: "refused" },
  ];

  test.each(ends)("$finish is $stop", async ({ finish, stop }) => {
    server.answer(sse([chunk({ content: "x" }, finish), done]));
    expect((await collect(await open())).done.stop).toBe(stop);
  });

  test("a refusal is told in its words", async () => {
    server.answer(sse([chunk({ refusal: "I can't help with that." }, "stop"), done]));
    const { text, done: end } = await collect(await open());
    expect(text).toBe("I can't help with that.");
    expect(end.stop).toBe("refused");
  });
});

const count = async (counted: unknown, more: Record<string, unknown> = {}) => {
  server.answer(sse([chunk({ content: "x" }, "stop"), { choices: [], usage: counted }, done]));
  return (await collect(await open("openrouter", more))).done.usage;
};

describe("usage", () => {
  const tokens = { prompt_tokens: 1000, completion_tokens: 100 };

  test("tells which of the input came from the cache", async () => {
    const details = { prompt_tokens_details: { cached_tokens: 800 } };
    expect(await count({ ...tokens, ...details })).toMatchObject({
      inputTokens: 1000,
      cachedInputTokens: 800,
    });
    expect(await count({ ...tokens, prompt_cache_hit_tokens: 700 })).toMatchObject({
      cachedInputTokens: 700,
    });
  });

  test("costs what the provider says, if it says so", async () => {
    expect((await count({ ...tokens, cost: 0.5 })).costUsd).toBe(0.5);
    expect((await count(tokens)).costUsd).toBeUndefined();
  });

  test("includes what one's own key costs upstream", async () => {
    const cost = { cost: 0.01, is_byok: true, cost_details: { upstream_inference_cost: 0.2 } };
    expect((await count({ ...tokens, ...cost })).costUsd).toBeCloseTo(0.21, 12);
  });
});

describe("reasoning", () => {
  const thinkAndCall = [
    chunk({ reasoning_content: "I should " }),
    chunk({ reasoning_content: "look." }),
    chunk({ tool_calls: [call(0, "a", "read_file", '{"path":"x"}')] }, "tool_calls"),
    done,
  ];
  const answered = [chunk({ content: "ok" }, "stop"), done];

  const secondBody = async (provider: string, first: readonly unknown[], model = "some-model") => {
    server.answer(sse(first), sse(answered));
    const chat = await open(provider, { model });
    const before = request({ tools: [readFileTool] });
    const { done: end, thinking } = await collect(chat, before);
    const result: Turn = { role: "tool", callId: "a", content: [], failed: false };
    await collect(chat, { ...before, turns: [...before.turns, end.turn, result] });
    return { thinking, message: server.received.at(-1)?.body.messages[2] as unknown };
  };

  test("goes back to DeepSeek with the tool call", async () => {
    const { thinking, message } = await secondBody("deepseek", thinkAndCall);
    expect(thinking).toBe("I should look.");
    expect(message).toMatchObject({ reasoning_content: "I should look." });
  });

  test("goes back to DeepSeek even when there was none", async () => {
    const { message } = await secondBody("deepseek", thinkAndCall.slice(2));
    expect(message).toMatchObject({ reasoning_content: "" });
  });

  test("does not go back to Groq, which refuses it", async () => {
    const { message } = await secondBody("groq", thinkAndCall);
    expect(message).not.toHaveProperty("reasoning_content");
  });

  test("goes back to OpenRouter with its pieces joined and its signature", async () => {
    const piece = { type: "reasoning.text", format: "anthropic-claude-v1", index: 0 };
    const { thinking, message } = await secondBody("openrouter", [
      chunk({ reasoning: "I ", reasoning_details: [{ ...piece, text: "I " }] }),
      chunk({ reasoning: "see", reasoning_details: [{ ...piece, text: "see" }] }),
      chunk({ reasoning_details: [{ ...piece, signature: "sig" }] }),
      chunk({ reasoning_details: [{ type: "reasoning.encrypted", data: "xyz", index: 1 }] }),
      ...thinkAndCall.slice(2),
    ]);
    expect(thinking).toBe("I see");
    expect(message).toMatchObject({
      reasoning_details: [
        { ...piece, text: "I see", signature: "sig" },
        { type: "reasoning.encrypted", data: "xyz", index: 1 },
      ],
    });
  });

  test("of another model is left out", async () => {
    server.answer(sse(answered));
    const opaque = { model: "deepseek/other", value: { reasoning_content: "old" } };
    await collect(
      await open("openai"),
      request({
        turns: [
          {
            role: "assistant",
            text: "",
            calls: [{ id: "a", name: "read_file", input: {} }],
            opaque,
          },
          { role: "tool", callId: "a", content: [], failed: false },
        ],
      }),
    );
    expect(server.received.at(-1)?.text).not.toContain("old");
  });
});

const sent = async (
  provider: string,
  given: Partial<Parameters<typeof request>[0]> = {},
  more: Record<string, unknown> = {},
) => {
  server.answer(sse([chunk({ content: "ok" }, "stop"), done]));
  await collect(await open(provider, more), request(given));
  const received = server.received.at(-1);
  if (received === undefined) throw new Error("nothing was received");
  return received;
};

describe("the request", () => {
  test("asks for usage, and has neither tools nor a key where there are none", async () => {
    const { body, headers } = await sent("vllm", {}, { api_key: undefined });
    expect(body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(body).not.toHaveProperty("tools");
    expect(headers).not.toHaveProperty("authorization");
  });

  test("limits the answer as the server understands it", async () => {
    expect((await sent("vllm")).body).toMatchObject({ max_tokens: 1000 });
    expect((await sent("openai")).body).toMatchObject({ max_tokens: 1000 });
    const { body } = await sent("openai", {}, { model: "gpt-5-mini" });
    expect(body).toMatchObject({ max_completion_tokens: 1000 });
    expect(body).not.toHaveProperty("max_tokens");
  });

  test("takes further headers, whose values are never printed", async () => {
    const { headers } = await sent("openai", {}, { headers: { "X-Gateway": "token-123" } });
    expect(headers["x-gateway"]).toBe("token-123");
  });

  test("goes to Ollama's own path when only its address is given", async () => {
    const { path } = await sent("ollama", {}, { base_url: server.url });
    expect(path).toBe("/v1/chat/completions");
  });

  test("joins neighbours of one role, and answers every call behind its turn", async () => {
    const image = { type: "image", mediaType: "image/png", data: new Uint8Array([1, 2]) } as const;
    const { body } = await sent("openai", {
      turns: [
        { role: "user", content: [{ type: "text", text: "one" }] },
        { role: "user", content: [{ type: "text", text: "two" }, image] },
        {
          role: "assistant",
          text: "",
          calls: [
            { id: "a", name: "f", input: { x: 1 } },
            { id: "b", name: "g", input: undefined, malformed: "{" },
            { id: "c", name: "h", input: {} },
          ],
        },
        { role: "tool", callId: "b", content: [{ type: "text", text: "bad JSON" }], failed: true },
        { role: "user", content: [{ type: "text", text: "hurry" }] },
        { role: "tool", callId: "a", content: [image], failed: false },
        { role: "assistant", text: "", calls: [] },
        { role: "tool", callId: "gone", content: [], failed: false },
      ],
    });
    const picture = { type: "image_url", image_url: { url: "data:image/png;base64,AQI=" } };
    expect(body.messages).toEqual([
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [{ type: "text", text: "one" }, { type: "text", text: "two" }, picture],
      },
      {
        role: "assistant",
        content: "",
        tool_calls: [
          { id: "a", type: "function", function: { name: "f", arguments: '{"x":1}' } },
          { id: "b", type: "function", function: { name: "g", arguments: "{}" } },
          { id: "c", type: "function", function: { name: "h", arguments: "{}" } },
        ],
      },
      { role: "tool", tool_call_id: "a", content: "(An image, shown below.)" },
      { role: "tool", tool_call_id: "b", content: "Error: bad JSON" },
      {
        role: "tool",
        tool_call_id: "c",
        content: "Error: No result of this call was recorded; its outcome is unknown.",
      },
      { role: "user", content: [picture, { type: "text", text: "hurry" }] },
    ]);
  });

  test("marks what Claude behind OpenRouter shall cache, and nothing elsewhere", async () => {
    const claude = await sent("openrouter", {}, { model: "anthropic/claude-sonnet-4.5" });
    const marks = claude.text.match(/cache_control/g) ?? [];
    expect(marks).toHaveLength(2);
    expect((await sent("openrouter", {}, { model: "openai/gpt-4o" })).text).not.toContain("cache_");
  });

  const refusals = [
    {
      parameter: "max_tokens",
      words:
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    },
    {
      parameter: "stream_options",
      words: "Unrecognized request argument supplied: stream_options",
    },
    { parameter: "reasoning_effort", words: "reasoning_effort is not supported" },
  ];

  test.each(refusals)(
    "is sent again without $parameter when the server refuses it, and so from then on",
    async ({ parameter, words }) => {
      const chat = await open("openai", { thinking: "low" });
      server.answer(
        json(400, { error: { message: words, type: "invalid_request_error" } }),
        sse([chunk({ content: "ok" }, "stop"), done]),
      );
      const before = server.received.length;
      expect((await collect(chat)).text).toBe("ok");
      await collect(chat);
      const bodies = server.received.slice(before).map(({ body }) => parameter in body);
      expect(bodies).toEqual([true, false, false]);
    },
  );

  test("is not sent again for any other refusal", async () => {
    server.answer(json(400, { error: { message: "messages: invalid image", type: "x" } }));
    const before = server.received.length;
    await expect(collect(await open())).rejects.toMatchObject({ kind: "rejected" });
    expect(server.received).toHaveLength(before + 1);
  });
});
