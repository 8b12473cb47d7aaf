import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AssistantTurn, ModelRequest, Turn } from "../../src/contracts/model.ts";
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

const open = async (more: Record<string, unknown> = {}) =>
  await openModel("anthropic", {
    api_key: "sk-ant-1234567890",
    model: "claude-sonnet-4-5",
    base_url: server.url,
    ...more,
  });

const start = (usage: unknown = { input_tokens: 10, output_tokens: 1 }) => ({
  type: "message_start",
  message: { id: "msg_1", type: "message", role: "assistant", content: [], usage },
});
const block = (index: number, content_block: unknown, ...deltas: unknown[]) => [
  { type: "content_block_start", index, content_block },
  ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
  { type: "content_block_stop", index },
];
const text = (index: number, ...words: string[]) =>
  block(
    index,
    { type: "text", text: "" },
    ...words.map((each) => ({ type: "text_delta", text: each })),
  );
const toolUse = (index: number, id: string, ...json: string[]) =>
  block(
    index,
    { type: "tool_use", id, name: "read_file", input: {} },
    ...json.map((partial_json) => ({ type: "input_json_delta", partial_json })),
  );
const thinking = (index: number, words: string, signature: string) =>
  block(
    index,
    { type: "thinking", thinking: "", signature: "" },
    { type: "thinking_delta", thinking: words },
    { type: "signature_delta", signature },
  );
const end = (stop_reason: string, usage: unknown = { output_tokens: 7 }) => [
  { type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage },
  { type: "message_stop" },
];

const said = (text: string): Turn => ({ role: "assistant", text, calls: [] });
const user = (words: string): Turn => ({ role: "user", content: [{ type: "text", text: words }] });

describe("the stream", () => {
  const events = [start(), ...text(0, "Grüße, ", "日本 👋"), ...end("end_turn")];

  test.each([1, 2, 3, 7, 64])("may be cut every %i bytes", async (pieceBytes) => {
    server.answer(sse(events, { pieceBytes }));
    const { text: said, done } = await collect(await open());
    expect(said).toBe("Grüße, 日本 👋");
    expect(done).toMatchObject({ stop: "answered", turn: { text: said, calls: [] } });
    expect(done.turn.opaque).toBeUndefined();
  });

  test.each(["close", "reset"])("that is cut off (%s) is a failure", async (how) => {
    server.answer(sse(events.slice(0, 3), { end: how }));
    await expect(collect(await open())).rejects.toMatchObject({ kind: "unavailable" });
  });

  test("tells of life by pings", async () => {
    server.answer(sse([start(), { type: "ping" }, { type: "ping" }, ...events.slice(1)]));
    const types: string[] = [];
    for await (const event of (await open()).stream(request(), AbortSignal.timeout(5000))) {
      types.push(event.type);
    }
    expect(types).toEqual(
      ["thinking", "thinking", "thinking", "text", "text", "thinking", "done"].slice(1),
    );
  });

  const errors = [
    { type: "overloaded_error", kind: "unavailable" },
    { type: "rate_limit_error", kind: "rate-limited" },
    { type: "api_error", kind: "unavailable" },
    { type: "authentication_error", kind: "unauthorized" },
    { type: "invalid_request_error", kind: "rejected" },
    { type: "timeout_error", kind: "timed-out" },
  ];

  test.each(errors)("may bring an error: $type", async ({ type, kind }) => {
    const error = { type: "error", error: { type, message: "Because." } };
    server.answer(sse([...events.slice(0, 3), error]));
    await expect(collect(await open())).rejects.toMatchObject({ kind });
  });

  test("that falls silent ends with the signal's own reason", async () => {
    server.answer(sse(events.slice(0, 3), { end: "silence" }));
    const stop = new AbortController();
    const stream = (await open()).stream(request(), stop.signal)[Symbol.asyncIterator]();
    await stream.next();
    const next = (async () => {
      for (;;) await stream.next();
    })();
    stop.abort(new Error("stopped by the user"));
    await expect(next).rejects.toThrow("stopped by the user");
  });
});

const stops = [
  { reason: "end_turn", stop: "answered" },
  { reason: "stop_sequence", stop: "answered" },
  { reason: "max_tokens", stop: "length" },
  { reason: "model_context_window_exceeded", stop: "length" },
  { reason: "pause_turn", stop: "length" },
  { reason: "refusal", stop: "refused" },
];

test.each(stops)("the stop reason $reason is $stop", async ({ reason, stop }) => {
  server.answer(sse([start(), ...text(0, "x"), ...end(reason)]));
  expect((await collect(await open())).done.stop).toBe(stop);
});

describe("usage", () => {
  test("counts all input, and what of it came from the cache", async () => {
    const usage = {
      input_tokens: 5,
      cache_creation_input_tokens: 20,
      cache_read_input_tokens: 300,
      output_tokens: 1,
    };
    server.answer(sse([start(usage), ...text(0, "x"), ...end("end_turn")]));
    const { done } = await collect(await open());
    expect(done.usage).toMatchObject({
      inputTokens: 325,
      cachedInputTokens: 300,
      outputTokens: 7,
    });
  });

  test("is estimated where the server does not count", async () => {
    server.answer(sse([start(undefined), ...text(0, "some words"), ...end("end_turn", undefined)]));
    const { usage } = (await collect(await open())).done;
    expect(usage.inputTokens).toBeGreaterThan(0);
    expect(usage.outputTokens).toBeGreaterThan(0);
  });
});

describe("tool calls", () => {
  test("are put together from their pieces", async () => {
    server.answer(
      sse([
        start(),
        ...text(0, "I look."),
        ...toolUse(1, "toolu_1", '{"pa', 'th": "a"}'),
        ...toolUse(2, "toolu_2"),
        ...end("tool_use"),
      ]),
    );
    const { done } = await collect(await open(), request({ tools: [readFileTool] }));
    expect(done.stop).toBe("tool-calls");
    expect(done.turn.calls).toEqual([
      { id: "toolu_1", name: "read_file", input: { path: "a" } },
      { id: "toolu_2", name: "read_file", input: {} },
    ]);
  });

  test("cut off by the length are marked as malformed", async () => {
    server.answer(sse([start(), ...toolUse(0, "toolu_1", '{"path": "a'), ...end("max_tokens")]));
    const { done } = await collect(await open(), request({ tools: [readFileTool] }));
    expect(done.turn.calls).toEqual([
      { id: "toolu_1", name: "read_file", input: undefined, malformed: '{"path": "a' },
    ]);
    expect(done.stop).toBe("tool-calls");
  });

  test("of a refused answer are not made", async () => {
    server.answer(sse([start(), ...toolUse(0, "toolu_1", "{}"), ...end("refusal")]));
    expect((await collect(await open())).done).toMatchObject({
      stop: "refused",
      turn: { calls: [] },
    });
  });
});

async function bodyFor(given: Partial<ModelRequest>, more: Record<string, unknown> = {}) {
  server.answer(sse([start(), ...text(0, "ok"), ...end("end_turn")]));
  await collect(await open(more), request(given));
  return server.received.at(-1)?.body;
}

describe("thinking", () => {
  const answer = [
    start(),
    ...thinking(0, "Hm, ", "sig-1"),
    ...block(1, { type: "redacted_thinking", data: "hidden" }),
    ...text(2, "First words. "),
    ...thinking(3, "And now?", "sig-2"),
    ...text(4, "I look."),
    ...toolUse(5, "toolu_1", '{"path":"a"}'),
    ...end("tool_use"),
  ];
  const original = [
    { type: "thinking", thinking: "Hm, ", signature: "sig-1" },
    { type: "redacted_thinking", data: "hidden" },
    { type: "text", text: "First words. " },
    { type: "thinking", thinking: "And now?", signature: "sig-2" },
    { type: "text", text: "I look." },
    { type: "tool_use", id: "toolu_1", name: "read_file", input: { path: "a" } },
  ];
  const result: Turn = { role: "tool", callId: "toolu_1", content: [], failed: false };

  async function thought(): Promise<AssistantTurn> {
    server.answer(sse(answer));
    const { done, thinking: seen } = await collect(
      await open(),
      request({ tools: [readFileTool] }),
    );
    expect(seen).toBe("Hm, And now?");
    expect(done.turn.text).toBe("First words. I look.");
    // History keeps turns as JSON.
    return JSON.parse(JSON.stringify(done.turn)) as AssistantTurn;
  }

  test("goes back signed, unchanged and in its place", async () => {
    const body = await bodyFor({ turns: [user("hi"), await thought(), result] });
    expect(body.messages[1].content).toEqual(original);
  });

  test("of another model is dropped, words and calls are kept", async () => {
    const turn = await thought();
    const opaque = { model: "anthropic/another", value: turn.opaque?.value };
    const body = await bodyFor({ turns: [user("hi"), { ...turn, opaque }, result] });
    expect(body.messages[1].content).toEqual([
      { type: "text", text: "First words. I look." },
      original[5],
    ]);
  });

  test("is dropped when the turn is no longer what was signed", async () => {
    const turn = await thought();
    const body = await bodyFor({ turns: [user("hi"), { ...turn, text: "Shortened." }, result] });
    expect(JSON.stringify(body)).not.toContain("sig-1");
  });

  test("that was cut off before its signature is not kept", async () => {
    server.answer(sse([start(), ...thinking(0, "Hm", ""), ...text(1, "x"), ...end("max_tokens")]));
    expect((await collect(await open())).done.turn.opaque).toBeUndefined();
  });

  test("is asked for as the model's generation wants it", async () => {
    const hello = { turns: [user("hi")] };
    expect(await bodyFor(hello)).not.toHaveProperty("thinking");
    expect(await bodyFor(hello, { thinking: "low" })).toMatchObject({
      thinking: { type: "enabled", budget_tokens: 2048 },
      max_tokens: 3048,
    });
    for (const model of ["claude-opus-4-7", "claude-sonnet-4-6", "claude-sonnet-5-5"]) {
      expect(await bodyFor(hello, { thinking: "high", model })).toMatchObject({
        thinking: { type: "adaptive" },
        output_config: { effort: "high" },
        max_tokens: 1000,
      });
    }
    const old = await bodyFor(hello, { thinking: "high", model: "claude-3-5-sonnet-20241022" });
    expect(old).not.toHaveProperty("thinking");
  });

  test("with a budget is not asked for amid a tool loop that began without it", async () => {
    const { opaque: _, ...bare } = await thought();
    const loop = { turns: [user("hi"), bare, result] };
    expect(await bodyFor(loop, { thinking: "low" })).not.toHaveProperty("thinking");
    const next = { turns: [...loop.turns, said("a"), user("b")] };
    expect(await bodyFor(next, { thinking: "low" })).toHaveProperty("thinking");
  });
});

const marks = (body: unknown) => JSON.stringify(body).match(/cache_control/g)?.length;

describe("the request", () => {
  test("has no empty blocks, alternates, and holds the results of parallel calls together", async () => {
    const image = { type: "image", mediaType: "image/png", data: new Uint8Array([1, 2]) } as const;
    const source = { type: "base64", media_type: "image/png", data: "AQI=" };
    const body = await bodyFor({
      turns: [
        { role: "assistant", text: "I begin.", calls: [] },
        user(" "),
        { role: "user", content: [image, { type: "text", text: "" }] },
        { role: "assistant", text: "", calls: [] },
        {
          role: "assistant",
          text: "",
          calls: [
            { id: "functions.f:0", name: "f", input: { x: 1 } },
            { id: "b", name: "g", input: undefined, malformed: "{" },
            { id: "c", name: "h", input: "no object" },
          ],
        },
        { role: "tool", callId: "b", content: [{ type: "text", text: "bad" }], failed: true },
        user("hurry"),
        { role: "tool", callId: "functions.f:0", content: [image], failed: false },
        { role: "tool", callId: "c", content: [], failed: false },
      ],
    });
    expect(body.system).toEqual([
      { type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } },
    ]);
    expect(body.messages).toEqual([
      { role: "user", content: [{ type: "text", text: "(The conversation goes on.)" }] },
      { role: "assistant", content: [{ type: "text", text: "I begin." }] },
      {
        role: "user",
        content: [
          { type: "text", text: "(An empty message.)" },
          { type: "image", source, cache_control: { type: "ephemeral" } },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "tool_use", id: "functions_f_0", name: "f", input: { x: 1 } },
          { type: "tool_use", id: "b", name: "g", input: {} },
          { type: "tool_use", id: "c", name: "h", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          {
            type: "tool_result",
            tool_use_id: "functions_f_0",
            content: [{ type: "image", source }],
          },
          {
            type: "tool_result",
            tool_use_id: "b",
            content: [{ type: "text", text: "bad" }],
            is_error: true,
          },
          {
            type: "tool_result",
            tool_use_id: "c",
            content: [{ type: "text", text: "(No output.)" }],
          },
          { type: "text", text: "hurry", cache_control: { type: "ephemeral" } },
        ],
      },
    ]);
  });

  test("carries the key in its header, and goes to one address however the base URL is written", async () => {
    for (const base_url of [
      server.url,
      `${server.url}/`,
      `${server.url}/v1`,
      `${server.url}/v1/`,
    ]) {
      await bodyFor({}, { base_url });
      expect(server.received.at(-1)).toMatchObject({
        path: "/v1/messages",
        headers: {
          authorization: "Bearer sk-ant-1234567890",
          "x-api-key": "sk-ant-1234567890",
        },
      });
    }
  });

  test("has at most four cache breakpoints, one of them behind tools and system", async () => {
    const turns = Array.from({ length: 20 }, (_each, index) =>
      index % 2 === 0 ? user(`${index}`) : { role: "assistant" as const, text: "a", calls: [] },
    );
    expect(marks(await bodyFor({ turns, tools: [readFileTool] }))).toBe(3);
    const noSystem = await bodyFor({ turns, system: "", tools: [readFileTool] });
    expect(noSystem).not.toHaveProperty("system");
    expect(noSystem.tools[0]).toHaveProperty("cache_control");
  });
});

test("an answer without a body is a failure", async () => {
  server.answer(json(200, ""));
  await expect(collect(await open())).rejects.toMatchObject({ kind: "unavailable" });
});
