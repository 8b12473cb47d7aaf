import { execFile } from "node:child_process";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ModelError } from "../../src/contracts/errors.ts";
import { json, startModelServer } from "../support/model-server.ts";
import type { Answer, ModelServer } from "../support/model-server.ts";
import { collect, openModel } from "../support/model-settings.ts";

const key = "sk-proj-abcdef0123456789";
let server: ModelServer;

beforeAll(async () => {
  server = await startModelServer();
});

afterAll(async () => {
  await server.stop();
});

async function failureOf(
  provider: string,
  answer: Answer,
  baseUrl = server.url,
): Promise<ModelError> {
  server.answer(answer);
  const chat = await openModel(provider, { api_key: key, model: "some-model", base_url: baseUrl });
  const error: unknown = await collect(chat).catch((thrown: unknown) => thrown);
  if (!(error instanceof ModelError)) throw new Error(`no ModelError but ${String(error)}`);
  return error;
}

const openaiError = (
  message: string,
  code: string | null = null,
  type = "invalid_request_error",
) => ({
  error: { message, type, param: null, code },
});
const anthropicError = (type: string, message: string) => ({
  type: "error",
  error: { type, message },
});

const answers = [
  ["openai", 401, openaiError("Incorrect API key provided", "invalid_api_key"), "unauthorized"],
  ["openai", 403, openaiError("Country not supported", "unsupported_country"), "unauthorized"],
  ["openai", 404, openaiError("The model `x` does not exist", "model_not_found"), "unknown-model"],
  ["openai", 429, openaiError("You exceeded your current quota", "insufficient_quota"), "unpaid"],
  [
    "openai",
    429,
    openaiError(
      "Rate limit reached. Add a payment method at https://platform.openai.com/account/billing",
      "rate_limit_exceeded",
      "requests",
    ),
    "rate-limited",
  ],
  [
    "openai",
    400,
    openaiError("This model's maximum context length is 8192 tokens.", "context_length_exceeded"),
    "too-long",
  ],
  ["openai", 400, openaiError("API key not valid. Please pass a valid key."), "unauthorized"],
  ["openai", 400, openaiError("Invalid image."), "rejected"],
  ["openai", 500, openaiError("The server had an error", null, "server_error"), "unavailable"],
  ["openai", 502, "<html><body>Bad gateway</body></html>", "unavailable"],
  ["openai", 503, "", "unavailable"],
  ["openai", 408, openaiError("Timed out"), "timed-out"],
  ["openai", 504, "<html></html>", "timed-out"],
  ["openrouter", 402, { error: { code: 402, message: "Insufficient credits" } }, "unpaid"],
  ["openrouter", 403, { error: { code: 403, message: "Key limit exceeded (total)" } }, "unpaid"],
  [
    "openrouter",
    403,
    { error: { code: 403, message: "Flagged", metadata: { reasons: ["violence"] } } },
    "rejected",
  ],
  [
    "openrouter",
    400,
    { error: { code: 400, message: "x is not a valid model ID" } },
    "unknown-model",
  ],
  ["openrouter", 404, { error: { code: 404, message: "No endpoints found" } }, "unknown-model"],
  ["deepseek", 402, openaiError("Insufficient Balance"), "unpaid"],
  ["deepseek", 400, openaiError("Model Not Exist"), "unknown-model"],
  ["groq", 413, openaiError("Request too large for model", "rate_limit_exceeded"), "too-long"],
  [
    "ollama",
    404,
    { error: { message: 'model "x" not found, try pulling it first' } },
    "unknown-model",
  ],
  ["vllm", 400, { object: "error", message: "exceeds the maximum context length" }, "too-long"],
  ["vllm", 404, { detail: "Not Found" }, "unknown-model"],
  ["anthropic", 401, anthropicError("authentication_error", "invalid x-api-key"), "unauthorized"],
  ["anthropic", 403, anthropicError("permission_error", "no"), "unauthorized"],
  ["anthropic", 404, anthropicError("not_found_error", "model: some-model"), "unknown-model"],
  [
    "anthropic",
    400,
    anthropicError("invalid_request_error", "Your credit balance is too low to access the API"),
    "unpaid",
  ],
  ["anthropic", 402, anthropicError("billing_error", "pay"), "unpaid"],
  [
    "anthropic",
    400,
    anthropicError("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "too-long",
  ],
  ["anthropic", 413, anthropicError("request_too_large", "Request exceeds the limit"), "too-long"],
  ["anthropic", 400, anthropicError("invalid_request_error", "messages: bad"), "rejected"],
  ["anthropic", 429, anthropicError("rate_limit_error", "slow down"), "rate-limited"],
  ["anthropic", 529, anthropicError("overloaded_error", "Overloaded"), "unavailable"],
  ["anthropic", 500, anthropicError("api_error", "Internal"), "unavailable"],
] as const;

test.each(answers)("%s, status %i: %j is %s", async (provider, status, body, kind) => {
  const error = await failureOf(provider, json(status, body));
  expect(error.kind).toBe(kind);
  expect(error.message).toContain(`(${status})`);
  expect(error.message).toMatch(/^[A-Za-z].*[."]$/);
});

test("each request is sent once: retries are not the SDK's business", async () => {
  for (const provider of ["openai", "anthropic"]) {
    const before = server.received.length;
    await failureOf(provider, json(500, {}));
    expect(server.received).toHaveLength(before + 1);
  }
});

const soon = (ms: number): string => new Date(Date.now() + ms).toUTCString();

describe("the wait that a 429 asks for", () => {
  const forms = [
    { headers: { "retry-after": "30" }, from: 30_000, to: 30_000 },
    { headers: { "retry-after": "1.5" }, from: 1500, to: 1500 },
    { headers: { "retry-after": soon(600_000) }, from: 580_000, to: 601_000 },
    { headers: { "retry-after": soon(-600_000) }, from: 0, to: 0 },
    { headers: { "retry-after-ms": "250", "retry-after": "9" }, from: 250, to: 250 },
    { headers: { "retry-after": "999999999" }, from: 86_400_000, to: 86_400_000 },
    {
      headers: {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "6m0s",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "7.66s",
      },
      from: 360_000,
      to: 360_000,
    },
    {
      headers: {
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": new Date(Date.now() + 120_000).toISOString(),
      },
      from: 110_000,
      to: 120_000,
    },
    { headers: { "x-ratelimit-reset": String(Date.now() + 60_000) }, from: 50_000, to: 60_000 },
  ];

  test.each(forms)("is read from $headers", async ({ headers, from, to }) => {
    for (const provider of ["openai", "anthropic"]) {
      const { retryAfterMs } = await failureOf(provider, json(429, {}, headers));
      expect(retryAfterMs).toBeGreaterThanOrEqual(from);
      expect(retryAfterMs).toBeLessThanOrEqual(to);
    }
  });

  test("is read from the words where no header tells", async () => {
    const body = openaiError("Rate limit reached. Please try again in 1m2.5s.", "tokens");
    expect((await failureOf("groq", json(429, body))).retryAfterMs).toBe(62_500);
  });

  test("is read from what OpenRouter quotes of its own limit", async () => {
    const headers = { "X-RateLimit-Reset": String(Date.now() + 90_000) };
    const error = { code: 429, message: "free-models-per-day", metadata: { headers } };
    const { kind, retryAfterMs } = await failureOf("openrouter", json(429, { error }));
    expect(kind).toBe("rate-limited");
    expect(retryAfterMs).toBeGreaterThan(80_000);
    expect(retryAfterMs).toBeLessThanOrEqual(90_000);
  });

  test.each([{}, { "retry-after": "soon" }, { "x-ratelimit-reset": "x" }])(
    "is unknown with %j",
    async (headers) => {
      expect((await failureOf("openai", json(429, {}, headers))).retryAfterMs).toBeUndefined();
    },
  );
});

describe("the message", () => {
  test("quotes the platform, in one line and at most 300 characters", async () => {
    const { message } = await failureOf(
      "openai",
      json(400, openaiError(`No.\n\n${"x".repeat(999)}`)),
    );
    const quote = /"(.*)"$/s.exec(message)?.[1] ?? "";
    expect(quote).toMatch(/^No\. x+…$/);
    expect(quote).toHaveLength(300);
  });

  const leaks = [
    `Incorrect API key provided: ${key}.`,
    "Incorrect API key provided: sk-proj-********6789.",
    `Bearer ${key} is no good`,
    `See https://user:${key}@host/path?api_key=${key}#x`,
  ];

  test.each(leaks)("never repeats a key: %s", async (words) => {
    for (const provider of ["openai", "anthropic"]) {
      const error = await failureOf(provider, json(401, openaiError(words)));
      const all = `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
      expect(all).not.toContain("0123456789");
      expect(all).not.toContain("6789");
      expect(error.message.length).toBeGreaterThan(40);
    }
  });

  test("shows no markup of an error page", async () => {
    const { message } = await failureOf("openai", json(502, "<!DOCTYPE html><p>Oh</p>"));
    expect(message).toBe("OpenAI cannot answer at the moment (502).");
  });

  test("has what OpenRouter's upstream said", async () => {
    const error = {
      code: 502,
      message: "Provider returned error",
      metadata: { raw: "upstream is on fire" },
    };
    const { message } = await failureOf("openrouter", json(502, { error }));
    expect(message).toContain("upstream is on fire");
  });
});

describe("a connection that fails", () => {
  test("because nobody listens is unavailable, and names the host", async () => {
    const gone = await startModelServer();
    await gone.stop();
    for (const provider of ["openai", "anthropic"]) {
      const error = await failureOf(provider, json(200, {}), gone.url);
      expect(error.kind).toBe("unavailable");
      expect(error.message).toContain(new URL(gone.url).host);
      expect(error.message).toContain("nothing accepts connections there");
    }
  });

  test("because its name does not exist is unavailable", async () => {
    const error = await failureOf("openai", json(200, {}), "http://no-such-host.invalid/v1");
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain("no-such-host.invalid");
    expect(error.message).toContain("could not be resolved");
  });

  test("because it does not speak TLS is unavailable, and says so", async () => {
    const error = await failureOf("openai", json(200, {}), server.url.replace("http:", "https:"));
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain("encrypted connection");
  });

  test("because the server hangs up is unavailable", async () => {
    const rude = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => rude.listen(0, "127.0.0.1", resolve));
    const { port } = rude.address() as AddressInfo;
    const error = await failureOf("openai", json(200, {}), `http://127.0.0.1:${port}`);
    rude.close();
    expect(error.kind).toBe("unavailable");
    expect(error.message).toContain(`127.0.0.1:${port}`);
  });

  test.each(["openai", "anthropic"])(
    "because the egress proxy refuses the host is unavailable, and says so (%s)",
    async (provider) => {
      const proxy = createHttpServer();
      proxy.on("connect", (_request, socket) => socket.end("HTTP/1.1 403 Forbidden\r\n\r\n"));
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
      const { port } = proxy.address() as AddressInfo;
      // The proxy's variables are read when a process starts.
      const program = `
        const { openModel, collect } = await import("./tests/support/model-settings.ts");
        const given = { api_key: "x", model: "x", base_url: "https://api.example.com/v1" };
        const chat = await openModel(${JSON.stringify(provider)}, given);
        await collect(chat).catch(({ kind, message }) => console.log(kind, message));
      `;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--input-type=module", "--eval", program],
        {
          cwd: join(import.meta.dirname, "../.."),
          env: { NODE_USE_ENV_PROXY: "1", HTTPS_PROXY: `http://127.0.0.1:${port}` },
          timeout: 20_000,
        },
      );
      proxy.close();
      expect(stdout).toMatch(/^unavailable .*api\.example\.com.*proxy did not let/);
    },
  );
});
