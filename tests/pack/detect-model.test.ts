import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { detectModel, ollamaUrl } from "../../src/cli/try/detect-model.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** Something that listens where Ollama would; `undefined` never answers. */
async function startOllama(body: string | undefined, status = 200): Promise<string> {
  const server = createServer((request, response) => {
    if (body === undefined) return;
    response.writeHead(request.url === "/api/tags" ? status : 404).end(body);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const models = (...names: string[]): string =>
  JSON.stringify({ models: names.map((name) => ({ name })) });

describe("keys in the environment", () => {
  test("are taken in the order anthropic, openai, openrouter", async () => {
    const all = {
      ANTHROPIC_API_KEY: "sk-ant-1",
      OPENAI_API_KEY: "sk-2",
      OPENROUTER_API_KEY: "sk-or-3",
    };
    expect((await detectModel(all, {})).llm["provider"]).toBe("anthropic");
    const { ANTHROPIC_API_KEY: _, ...two } = all;
    expect((await detectModel(two, {})).llm["provider"]).toBe("openai");
    const { OPENAI_API_KEY: __, ...one } = two;
    expect((await detectModel(one, {})).llm["provider"]).toBe("openrouter");
  });

  test("never get into the config or the explanation", async () => {
    const found = await detectModel({ OPENAI_API_KEY: "sk-very-secret" }, {});
    expect(JSON.stringify(found)).not.toContain("very-secret");
    expect(found.llm["api_key"]).toBe("env://OPENAI_API_KEY");
  });

  test("count as absent when they are empty", async () => {
    const found = await detectModel({ ANTHROPIC_API_KEY: "", OPENAI_API_KEY: "  " }, {});
    expect(found.llm["provider"]).toBe("offline");
  });

  test("go with the base URL of the same provider, told without its credentials", async () => {
    const env = { OPENAI_API_KEY: "sk-1", OPENAI_BASE_URL: "https://me:pw@gateway.example/v1" };
    const found = await detectModel(env, {});
    expect(found.llm["base_url"]).toBe("https://me:pw@gateway.example/v1");
    expect(found.explanation).toContain("https://gateway.example/v1");
    expect(found.explanation).not.toContain("pw");
  });
});

describe("a wish", () => {
  const env = { ANTHROPIC_API_KEY: "sk-ant-1", OPENROUTER_API_KEY: "sk-or-3" };

  test("for a model is granted by the provider that is found", async () => {
    const found = await detectModel(env, { model: "claude-haiku-4-5" });
    expect(found.llm).toMatchObject({ provider: "anthropic", model: "claude-haiku-4-5" });
  });

  test("for a provider passes over the others", async () => {
    expect((await detectModel(env, { provider: "openrouter" })).llm["provider"]).toBe("openrouter");
    expect((await detectModel(env, { provider: "offline" })).llm["provider"]).toBe("offline");
  });

  test("for a provider without its key is refused with the name of the key", async () => {
    await expect(detectModel(env, { provider: "openai" })).rejects.toThrow("OPENAI_API_KEY");
  });

  test("for a model without any provider is refused", async () => {
    await expect(detectModel({}, { model: "gpt-5" })).rejects.toThrow("needs a provider");
  });
});

describe("Ollama", () => {
  test("that answers is used with the first model that it lists", async () => {
    const host = await startOllama(models("llama3.2:latest", "qwen3:8b"));
    const found = await detectModel({ OLLAMA_HOST: host }, {});
    expect(found.llm).toEqual({
      provider: "ollama",
      model: "llama3.2:latest",
      base_url: `http://${host}/v1`,
    });
  });

  test("comes after a key", async () => {
    const host = await startOllama(models("llama3.2"));
    const found = await detectModel({ OLLAMA_HOST: host, OPENAI_API_KEY: "sk-1" }, {});
    expect(found.llm["provider"]).toBe("openai");
  });

  test.each([
    ["has no model", models(), 200, "no model yet"],
    ["answers with an error", "oops", 500, "answered 500"],
    ["is something else", "<html>", 200, "cannot be used"],
    ["never answers", undefined, 200, "no answer within 2 s"],
  ])("that %s leaves the offline model, saying why", async (_, body, status, reason) => {
    const host = await startOllama(body, status);
    const found = await detectModel({ OLLAMA_HOST: host }, {});
    expect(found.llm["provider"]).toBe("offline");
    expect(found.explanation).toContain(reason);
  });

  test.each(["http://", "no such host", "127.0.0.1:99999"])(
    "at the unusable address %j leaves the offline model, saying why",
    async (host) => {
      const found = await detectModel({ OLLAMA_HOST: host }, {});
      expect(found.llm["provider"]).toBe("offline");
      expect(found.explanation).toContain("cannot be used");
    },
  );

  test.each([
    ["", "http://127.0.0.1:11434"],
    ["gpu-box", "http://gpu-box:11434"],
    ["gpu-box:8080", "http://gpu-box:8080"],
    [":8080", "http://127.0.0.1:8080"],
    ["http://gpu-box:8080/", "http://gpu-box:8080"],
    ["http://gpu-box", "http://gpu-box"],
    ["https://ollama.example/base", "https://ollama.example/base"],
    ["0.0.0.0", "http://127.0.0.1:11434"],
    ["0.0.0.0:8080", "http://127.0.0.1:8080"],
    ["::1", "http://[::1]:11434"],
    ["[::1]:8080", "http://[::1]:8080"],
  ])("address %j means %j", (host, url) => {
    expect(ollamaUrl(host)).toBe(url);
  });
});
