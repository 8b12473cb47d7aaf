import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Turn } from "../../src/contracts/model.ts";
import { providerKinds } from "../../src/providers/index.ts";
import { sse, startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";
import {
  collect,
  kindNamed,
  openModel,
  readFileTool,
  request,
  settingsOf,
} from "../support/model-settings.ts";

const names = providerKinds.map(({ name }) => name);
const remote = names.filter((name) => name !== "offline");
const example = { api_key: "sk-test-123456", model: "some-model" };
const exampleOf = (name: string): Record<string, unknown> => (name === "offline" ? {} : example);

test("the kinds are these, in the menu's order", () => {
  expect(names).toEqual([
    "anthropic",
    "openai",
    "openrouter",
    "ollama",
    "groq",
    "deepseek",
    "vllm",
    "offline",
  ]);
});

const readme = [
  { provider: "openrouter", api_key: "sk-or-...", model: "anthropic/claude-3.5-sonnet" },
  { provider: "anthropic", api_key: "sk-ant-...", model: "claude-3-5-sonnet-20241022" },
  { provider: "openai", api_key: "sk-...", model: "gpt-4o" },
];

test.each(readme)("the README's $provider example parses", ({ provider, ...settings }) => {
  expect(() => kindNamed(provider).settings.parse(settings)).not.toThrow();
});

describe.each(names)("%s", (name) => {
  const kind = kindNamed(name);
  const keys = Object.keys(kind.settings.shape);

  test("opens with a minimal config, with an id of its own and sensible limits", async () => {
    const chat = await openModel(name, exampleOf(name));
    expect(chat.id.startsWith(`${name}/`)).toBe(true);
    expect(chat.contextWindow).toBeGreaterThanOrEqual(8192);
    expect(chat.maxOutputTokens).toBeGreaterThanOrEqual(1024);
    expect(chat.maxOutputTokens).toBeLessThanOrEqual(chat.contextWindow / 2);
  });

  test("refuses unknown settings, and leaves the discriminator to the config", () => {
    expect(kind.settings.safeParse({ ...exampleOf(name), modle: "x" }).success).toBe(false);
    expect(keys).not.toContain("provider");
  });

  test("describes every setting in a sentence, in the schema as well", () => {
    const { properties = {} } = z.toJSONSchema(kind.settings, { io: "input" });
    for (const key of keys) {
      const description = expect.stringMatching(/^\S.{15,}\.$/) as string;
      expect({ key, ...(properties[key] as object) }).toMatchObject({ key, description });
    }
  });

  test("asks only for settings that it has", () => {
    for (const { key, ask } of kind.questions) {
      expect(keys).toContain(key);
      expect(ask).not.toBe("");
    }
    const secrets = kind.questions.filter(({ secret }) => secret === true).map(({ key }) => key);
    expect(secrets.every((key) => key === "api_key")).toBe(true);
  });

  test("names its hosts as plain host names", () => {
    for (const host of kind.hosts(settingsOf(name, exampleOf(name)))) {
      expect(host).toMatch(/^[a-z0-9.-]+$/);
    }
  });
});

/** How many SDKs a process of its own has loaded once a model is open, and once it was asked. */
async function sdksLoaded(name: string): Promise<unknown> {
  const program = `
    import { registerHooks } from "node:module";
    let count = 0;
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier === "openai" || specifier === "@anthropic-ai/sdk") count += 1;
        return next(specifier, context);
      },
    });
    const { openModel, collect } = await import("./tests/support/model-settings.ts");
    const given = { api_key: "x", model: "x", base_url: "http://127.0.0.1:1" };
    const chat = await openModel(${JSON.stringify(name)}, given);
    const opened = count;
    await collect(chat).catch(() => undefined);
    console.log(JSON.stringify({ opened, asked: count }));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", program],
    { cwd: join(import.meta.dirname, "../.."), timeout: 20_000 },
  );
  return JSON.parse(stdout);
}

describe.each(remote)("%s, over the network", (name) => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await startModelServer();
  });

  afterAll(async () => {
    await server.stop();
  });

  const answer =
    name === "anthropic"
      ? sse([
          { type: "message_start", message: { usage: { input_tokens: 3, output_tokens: 1 } } },
          { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
          { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hi." } },
          {
            type: "message_delta",
            delta: { stop_reason: "end_turn" },
            usage: { output_tokens: 2 },
          },
          { type: "message_stop" },
        ])
      : sse([
          { choices: [{ index: 0, delta: { content: "Hi." }, finish_reason: "stop" }] },
          "data: [DONE]\n\n",
        ]);

  const open = async () => await openModel(name, { ...example, base_url: `${server.url}/v1` });

  test("its base URL can be set, and is its only host", async () => {
    server.answer(answer);
    expect((await collect(await open())).text).toBe("Hi.");
    const own = settingsOf(name, { ...example, base_url: "http://[::1]:8080/v1" });
    expect(kindNamed(name).hosts(own)).toEqual(["::1"]);
  });

  test.each(["ftp://host/", "no url", "http://user:pass@host/"])(
    "refuses the base URL %s",
    (base_url) => {
      expect(kindNamed(name).settings.safeParse({ ...example, base_url }).success).toBe(false);
    },
  );

  test("loads its SDK with the first call, not before", async () => {
    expect(await sdksLoaded(name)).toEqual({ opened: 0, asked: 1 });
  });

  test("sends the same bytes for system and tools, and old turns as a prefix", async () => {
    server.answer(answer);
    const chat = await open();
    const turns: Turn[] = [];
    const bodies: string[] = [];
    for (let round = 0; round < 6; round += 1) {
      const call = { id: `call_${round}`, name: "read_file", input: { path: `${round}.txt` } };
      turns.push({ role: "user", content: [{ type: "text", text: `question ${round}` }] });
      await collect(chat, request({ turns: [...turns], tools: [readFileTool] }));
      bodies.push(server.received.at(-1)?.text ?? "");
      turns.push(
        { role: "assistant", text: "", calls: [call] },
        { role: "tool", callId: call.id, content: [{ type: "text", text: "x" }], failed: false },
        { role: "assistant", text: `answer ${round}`, calls: [] },
      );
    }
    const system = /"system":\[.*?\](?=,"messages")|\{"role":"system".*?\}(?=,\{"role":"user")/s;
    const tools = /"tools":\[.*?\](?=,"(?:system|max_tokens|max_completion_tokens|messages)")/s;
    for (const part of [system, tools]) {
      const found = bodies.map((body) => part.exec(body)?.[0]);
      expect(found[0]).toBeDefined();
      expect(new Set(found).size).toBe(1);
    }
    const messages = bodies.map((body) => {
      const parsed = JSON.parse(body) as { readonly messages: readonly unknown[] };
      return JSON.stringify(parsed.messages).replaceAll(
        ',"cache_control":{"type":"ephemeral"}',
        "",
      );
    });
    for (const [index, later] of messages.entries()) {
      const before = messages[index - 1]?.slice(0, -1) ?? "";
      expect(later.startsWith(before)).toBe(true);
      expect(later.length).toBeGreaterThan(before.length);
    }
  });
});
