import { errorText } from "../../lib/error-text.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ModelWish {
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
}

export interface DetectedModel {
  /** The config's `llm` block; its key is an `env://` reference. */
  readonly llm: Readonly<Record<string, string>>;
  /** A sentence for the operator: which model, and why. */
  readonly explanation: string;
}

interface KeyedProvider {
  readonly name: string;
  readonly key: string;
  readonly baseUrl: string;
  readonly model: string;
}

/** In the order in which they are looked for. The models are those of the providers' own guides. */
const keyedProviders: readonly KeyedProvider[] = [
  {
    name: "anthropic",
    key: "ANTHROPIC_API_KEY",
    baseUrl: "ANTHROPIC_BASE_URL",
    model: "claude-sonnet-5-5",
  },
  { name: "openai", key: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL", model: "gpt-5.5" },
  {
    name: "openrouter",
    key: "OPENROUTER_API_KEY",
    baseUrl: "OPENROUTER_BASE_URL",
    model: "~anthropic/claude-sonnet-latest",
  },
];

export const providerNames: readonly string[] = [
  ...keyedProviders.map(({ name }) => name),
  "ollama",
  "offline",
];

const ollamaTimeoutMs = 2000;
const ollamaPort = 11_434;

/**
 * The first model that can be used: a key in the environment, an Ollama that answers, else `offline`. Throws a
 * sentence where the wished provider cannot be used.
 */
export async function detectModel(env: Environment, wish: ModelWish): Promise<DetectedModel> {
  const asked = (name: string): boolean => wish.provider === undefined || wish.provider === name;

  for (const provider of keyedProviders) {
    if (!asked(provider.name)) continue;
    if (isSet(env[provider.key])) return keyed(provider, env, wish);
    if (wish.provider !== undefined) {
      throw new Error(
        `--provider ${provider.name} needs its key in ${provider.key}, which is not set.`,
      );
    }
  }

  let silence = "";
  if (asked("ollama") && (isSet(env["OLLAMA_HOST"]) || wish.provider === "ollama")) {
    const host = env["OLLAMA_HOST"] ?? "";
    try {
      return await ollama(ollamaUrl(host), wish);
    } catch (error) {
      silence = ollamaTrouble(host, error);
      if (wish.provider === "ollama") throw new Error(silence, { cause: error });
    }
  }

  if (wish.provider === undefined && wish.model !== undefined) {
    throw new Error(
      `--model ${wish.model} needs a provider: set one of ${keyNames}, or OLLAMA_HOST.${silence && ` ${silence}`}`,
    );
  }
  const reason =
    wish.provider === "offline"
      ? "as asked"
      : `because none of ${keyNames} is set and ${silence === "" ? "OLLAMA_HOST is not set either" : silence}`;
  return {
    llm: { provider: "offline", model: wish.model ?? "offline" },
    explanation:
      `Model: offline, ${reason.replace(/\.$/, "")}. It is no LLM: it follows plain requests such as ` +
      '"list my files", "read welcome.md" or "run date". Set a key and start again for a real one.',
  };
}

const keyNames = keyedProviders.map(({ key }) => key).join(", ");

function keyed(provider: KeyedProvider, env: Environment, wish: ModelWish): DetectedModel {
  const model = wish.model ?? provider.model;
  const baseUrl = env[provider.baseUrl]?.trim();
  return {
    llm: {
      provider: provider.name,
      api_key: `env://${provider.key}`,
      model,
      ...(baseUrl ? { base_url: baseUrl } : {}),
    },
    explanation:
      `Model: ${model} of ${provider.name}, because ${provider.key} is set` +
      `${baseUrl ? ` (at ${withoutCredentials(baseUrl)}, from ${provider.baseUrl})` : ""}. ` +
      "Choose another with --provider and --model.",
  };
}

async function ollama(url: string, wish: ModelWish): Promise<DetectedModel> {
  const response = await fetch(`${url}/api/tags`, { signal: AbortSignal.timeout(ollamaTimeoutMs) });
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  const body = (await response.json()) as { models?: readonly { name?: unknown }[] } | null;
  const first = body?.models?.find(({ name }) => typeof name === "string")?.name;
  const model = wish.model ?? first;
  if (typeof model !== "string") throw new Error("it has no model yet (ollama pull NAME)");
  return {
    llm: { provider: "ollama", model, base_url: `${url}/v1` },
    explanation:
      `Model: ${model} of Ollama at ${withoutCredentials(url)}, ` +
      `${wish.model === undefined ? "the first that it lists" : "as asked"}.`,
  };
}

function ollamaTrouble(host: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason =
    error instanceof Error && error.name === "TimeoutError"
      ? `no answer within ${ollamaTimeoutMs / 1000} s`
      : errorText(cause);
  return `Ollama at ${withoutCredentials(host) || "its usual address"} cannot be used: ${reason}.`;
}

/**
 * OLLAMA_HOST as Ollama itself reads it: `host`, `host:port`, `:port` or a URL. 0.0.0.0, an address to listen on,
 * becomes loopback.
 */
export function ollamaUrl(host: string): string {
  const text = host.trim().replace(/\/+$/, "");
  const [, scheme = "", rest = ""] = /^(?:(https?):\/\/)?(.*)$/i.exec(text) ?? [];
  const isBareIpv6 = rest.startsWith("::") || (rest.match(/:/g)?.length ?? 0) > 1;
  const authority = isBareIpv6 && !rest.includes("[") ? `[${rest}]` : rest;
  const named = authority === "" || authority.startsWith(":") ? `127.0.0.1${authority}` : authority;
  const url = new URL(`${scheme || "http"}://${named}`);
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  if (url.hostname === "[::]") url.hostname = "[::1]";
  if (scheme === "" && url.port === "" && !/:\d+$/.test(named)) url.port = String(ollamaPort);
  return url.href.replace(/\/+$/, "");
}

function withoutCredentials(address: string): string {
  return address.replace(/\/\/[^/@]*@/, "//");
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== "";
}
