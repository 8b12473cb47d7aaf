import { LLMock } from "@copilotkit/aimock";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Turn } from "../../src/contracts/model.ts";
import { collect, openModel, readFileTool, request } from "../support/model-settings.ts";

let mock: LLMock;

beforeEach(async () => {
  mock = await LLMock.create({ port: 0 });
});

afterEach(async () => {
  await mock.stop();
});

const doors = [
  { provider: "anthropic", model: "claude-sonnet-4-5", path: "" },
  { provider: "openai", model: "gpt-4o", path: "/v1" },
  { provider: "openrouter", model: "anthropic/claude-sonnet-4.5", path: "/api/v1" },
] as const;

describe.each(doors)("$provider against an API counterpart", ({ provider, model, path }) => {
  const open = async () =>
    await openModel(provider, { api_key: "test-key", model, base_url: mock.url + path });

  test("a streamed answer arrives whole, with its usage", async () => {
    mock.onMessage("hello", { content: "Hello there, how are you today?" }, { chunkSize: 4 });
    const { text, done } = await collect(await open());
    expect(text).toBe("Hello there, how are you today?");
    expect(done.turn).toMatchObject({ role: "assistant", text, calls: [] });
    expect(done.stop).toBe("answered");
    expect(done.usage.inputTokens).toBeGreaterThan(0);
    expect(done.usage.outputTokens).toBeGreaterThan(0);
  });

  test("parallel tool calls go out, their results come back, and the model answers", async () => {
    mock.on(
      { userMessage: "hello", hasToolResult: false },
      {
        content: "Let me look.",
        toolCalls: [
          { name: "read_file", arguments: '{"path":"a.txt"}', id: "call_a" },
          { name: "read_file", arguments: '{"path":"b.txt"}', id: "call_b" },
        ],
      },
      { chunkSize: 3 },
    );
    mock.on({ userMessage: "hello", hasToolResult: true }, { content: "Both are empty." });
    const chat = await open();
    const before = request({ tools: [readFileTool] });
    const first = await collect(chat, before);
    expect(first.done.stop).toBe("tool-calls");
    expect(first.done.turn.text).toBe("Let me look.");
    expect(first.done.turn.calls.map(({ name, input }) => ({ name, input }))).toEqual([
      { name: "read_file", input: { path: "a.txt" } },
      { name: "read_file", input: { path: "b.txt" } },
    ]);
    const results = first.done.turn.calls.map(({ id }): Turn => ({
      role: "tool",
      callId: id,
      content: [],
      failed: false,
    }));
    const second = await collect(chat, {
      ...before,
      turns: [...before.turns, first.done.turn, ...results],
    });
    expect(second.text).toBe("Both are empty.");
    expect(second.done.stop).toBe("answered");
  });

  test("thinking is told apart from the answer", async () => {
    mock.onMessage("hello", { content: "Four.", reasoning: "Two and two, so" });
    const { text, thinking } = await collect(await open());
    expect(text).toBe("Four.");
    expect(thinking).toContain("Two and two");
  });

  test("a rate limit is typed, with the wait it asks for", async () => {
    mock.onMessage("hello", {
      error: { message: "Slow down", type: "rate_limit_error" },
      status: 429,
      retryAfter: 7,
    });
    await expect(collect(await open())).rejects.toMatchObject({
      name: "ModelError",
      kind: "rate-limited",
      retryAfterMs: 7000,
    });
  });

  test("an overload is typed", async () => {
    mock.nextRequestError(503, { message: "Overloaded", type: "overloaded_error" });
    await expect(collect(await open())).rejects.toMatchObject({ kind: "unavailable" });
  });

  test("a stream cut short is a failure, not an answer", async () => {
    mock.onMessage("hello", { content: "x".repeat(500) }, { chunkSize: 5, truncateAfterChunks: 4 });
    await expect(collect(await open())).rejects.toMatchObject({ kind: "unavailable" });
  });
});

test("the cost that OpenRouter reports is handed on", async () => {
  mock.onMessage("hello", {
    content: "Hi",
    usage: { prompt_tokens: 100, completion_tokens: 5, cost: 0.0125 },
  });
  const chat = await openModel("openrouter", {
    api_key: "test-key",
    model: "openai/gpt-4o",
    base_url: `${mock.url}/api/v1`,
  });
  const { done } = await collect(chat);
  expect(done.usage).toMatchObject({ inputTokens: 100, outputTokens: 5, costUsd: 0.0125 });
  const sent = mock.getLastRequest();
  expect(sent?.body).toMatchObject({ usage: { include: true } });
  expect(sent?.headers["x-title"]).toBe("Barnacle");
});
