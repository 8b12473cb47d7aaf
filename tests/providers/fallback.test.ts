import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServerResponse } from "node:http";
import type { Turn } from "../../src/contracts/model.ts";
import { createModelChain } from "../../src/core/model-chain.ts";
import type { ChainEvent } from "../../src/core/model-chain.ts";
import { json, sse, startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";
import { openModel, quietLog, request } from "../support/model-settings.ts";

let first: ModelServer;
let second: ModelServer;

beforeAll(async () => {
  first = await startModelServer();
  second = await startModelServer();
});

afterAll(async () => {
  await first.stop();
  await second.stop();
});

async function openChain(idleTimeoutMs?: number) {
  const models = [
    await openModel("anthropic", { api_key: "k1", model: "claude-x", base_url: first.url }),
    await openModel("openai", { api_key: "k2", model: "gpt-x", base_url: second.url }),
  ];
  const idle = idleTimeoutMs === undefined ? {} : { idleTimeoutMs };
  return createModelChain({ models, now: Date.now, log: quietLog, ...idle });
}

const answer = sse([
  { choices: [{ index: 0, delta: { content: "Here." }, finish_reason: "stop" }] },
  "data: [DONE]\n\n",
]);

async function collectAll(events: AsyncIterable<ChainEvent>): Promise<ChainEvent[]> {
  const all: ChainEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

test("a rate-limited provider is left alone for as long as it asked, and the chat is told", async () => {
  first.answer(json(429, { error: { message: "slow down" } }, { "retry-after": "120" }));
  second.answer(answer);
  const chain = await openChain();
  const opaque = {
    model: "anthropic/claude-x",
    value: [{ type: "redacted_thinking", data: "zz" }],
  };
  const turns: Turn[] = [
    { role: "assistant", text: "before", calls: [], opaque },
    { role: "user", content: [{ type: "text", text: "hello" }] },
  ];
  const signal = AbortSignal.timeout(10_000);
  for (let round = 0; round < 2; round += 1) {
    const events = await collectAll(chain.stream(request({ turns }), signal));
    expect(events.at(-1)).toMatchObject({
      type: "done",
      model: "openai/gpt-x",
      turn: { text: "Here." },
      fallback: {
        instead: "anthropic/claude-x",
        kind: "rate-limited",
        sentence:
          "openai/gpt-x answered, because anthropic/claude-x is rate-limited for 2 minutes.",
      },
    });
  }
  expect(first.received).toHaveLength(1);
  expect(second.received).toHaveLength(2);
  expect(second.received[0]?.text).not.toContain("zz");
});

test("a provider that falls silent is hung up on, and the next one begins anew", async () => {
  let silent: ServerResponse | undefined;
  const start = [
    { type: "message_start", message: { usage: { input_tokens: 3, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Half" } },
  ];
  first.answer(async (response, received) => {
    silent = response;
    await sse(start, { end: "silence" })(response, received);
  });
  second.answer(answer);
  const chain = await openChain(300);
  const events = await collectAll(chain.stream(request(), AbortSignal.timeout(10_000)));
  const types = events.map(({ type }) => type);
  expect(types.filter((type) => type !== "thinking")).toEqual([
    "text",
    "restarted",
    "text",
    "done",
  ]);
  expect(events.at(-1)).toMatchObject({ turn: { text: "Here." }, fallback: { kind: "timed-out" } });
  if (silent?.closed === false) await once(silent, "close", { signal: AbortSignal.timeout(5000) });
  expect(silent?.closed).toBe(true);
});

test("the models' ids tell them apart, and show no key", async () => {
  const chain = await openChain();
  expect(chain.models.map(({ id }) => id)).toEqual(["anthropic/claude-x", "openai/gpt-x"]);
  expect(JSON.stringify(chain.states())).not.toContain("k1");
});
