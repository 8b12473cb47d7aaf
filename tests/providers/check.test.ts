import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, startModelServer } from "../support/model-server.ts";
import type { ModelServer } from "../support/model-server.ts";
import { kindNamed, settingsOf } from "../support/model-settings.ts";

let server: ModelServer;

beforeAll(async () => {
  server = await startModelServer();
});

afterAll(async () => {
  await server.stop();
});

const list = json(200, {
  data: [{ id: "gpt-4o" }, { id: "gpt-4o-mini" }, { id: "llama3.2:latest" }],
});

async function check(provider: string, model: string): Promise<string> {
  const settings = settingsOf(provider, { api_key: "sk-test-123456", model, base_url: server.url });
  const answer = await kindNamed(provider).check?.(settings, AbortSignal.timeout(5000));
  if (answer === undefined) throw new Error("no check");
  return answer;
}

describe("a check of key and model", () => {
  test.each(["anthropic", "openai", "groq", "deepseek", "ollama", "vllm"])(
    "of %s says what answered",
    async (provider) => {
      server.answer(list);
      const answer = await check(provider, "gpt-4o");
      expect(answer).toContain("accepted the key");
      expect(answer).toContain('"gpt-4o"');
      expect(answer).toContain(new URL(server.url).host);
      expect(server.received.at(-1)?.headers["authorization"]).toBe("Bearer sk-test-123456");
    },
  );

  test("of OpenRouter tries the key first, since its list is public", async () => {
    server.answer(json(401, { error: { code: 401, message: "No auth" } }), list);
    await expect(check("openrouter", "gpt-4o")).rejects.toMatchObject({ kind: "unauthorized" });
    expect(server.received.at(-1)?.path).toBe("/key");
    server.answer(json(200, { data: {} }), list);
    expect(await check("openrouter", "gpt-4o:free")).toContain("accepted the key");
  });

  test("knows Ollama's latest tag", async () => {
    server.answer(list);
    expect(await check("ollama", "llama3.2")).toContain("accepted");
  });

  test("of an unknown model names the nearest", async () => {
    server.answer(list);
    await expect(check("groq", "gpt-4o-maxi")).rejects.toMatchObject({
      kind: "unknown-model",
      message: expect.stringContaining('"gpt-4o"') as string,
    });
  });

  test("takes Anthropic's word for an alias that its list lacks", async () => {
    server.answer(list, json(200, { id: "claude-x-20260101" }));
    expect(await check("anthropic", "claude-x-latest")).toContain("knows");
    server.answer(list, json(404, {}));
    await expect(check("anthropic", "claude-y")).rejects.toMatchObject({ kind: "unknown-model" });
  });

  test("does not insist on the list of a server of one's own", async () => {
    server.answer(list);
    expect(await check("openai", "routed/model")).toContain("may still answer");
    server.answer(json(404, {}));
    expect(await check("openai", "x")).toContain("lists no models");
  });

  test("fails with a sentence when the key is refused or nobody is there", async () => {
    server.answer(json(401, { error: { message: "Bad key sk-test-123456" } }));
    const refused = check("openai", "gpt-4o");
    await expect(refused).rejects.toMatchObject({ kind: "unauthorized" });
    await expect(refused).rejects.not.toThrow("sk-test-123456");
    const gone = settingsOf("vllm", { model: "x", base_url: "http://127.0.0.1:1/v1" });
    await expect(kindNamed("vllm").check?.(gone, AbortSignal.timeout(5000))).rejects.toMatchObject({
      kind: "unavailable",
    });
  });

  test("ends with the signal's reason", async () => {
    server.answer(() => undefined);
    const settings = settingsOf("vllm", { model: "x", base_url: server.url });
    const stop = new AbortController();
    const answer = kindNamed("vllm").check?.(settings, stop.signal);
    stop.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
  });
});
