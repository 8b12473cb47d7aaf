import type { RemoteSettings, Thinking } from "./settings.ts";
import { hostOf } from "./settings.ts";

/** In what the servers that speak Chat Completions differ. */
export interface Flavour {
  readonly name: "openai" | "openrouter" | "ollama" | "groq" | "deepseek" | "vllm";
  /** For people. */
  readonly title: string;
  readonly baseUrl: string;
  readonly exampleModel: string;
  readonly keyHelp: string;
  readonly needsKey: boolean;
  /** Tokens to assume of a model whose family is unknown. */
  readonly unknownWindow?: number;
  /** Whether the family's known window is true here; a local server holds what it was started with. */
  readonly windowIsKnown: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further parameters of every request. */
  readonly extras: Readonly<Record<string, unknown>>;
  thinking(level: NonNullable<Thinking>): Readonly<Record<string, unknown>>;
  /** `echo`: what came as `reasoning_content` goes back as such. `always`: the same, and empty where there was none. */
  readonly reasoningBack: "echo" | "always" | "details" | "never";
  /** Whether the answer's length is asked for by `max_completion_tokens` rather than `max_tokens`. */
  newLengthParameter(settings: RemoteSettings): boolean;
  /** Whether prompt caching needs marked parts. */
  wantsBreakpoints(model: string): boolean;
  /** Whether a model that its list lacks certainly does not exist. */
  listsAll(settings: RemoteSettings): boolean;
  /** A page behind the base URL that refuses a wrong key. */
  readonly keyPage?: string;
}

const effort = (level: NonNullable<Thinking>): Readonly<Record<string, unknown>> => ({
  reasoning_effort: level === "off" ? "none" : level,
});

const common = {
  needsKey: true,
  windowIsKnown: true,
  extras: {},
  thinking: effort,
  reasoningBack: "echo",
  newLengthParameter: () => false,
  wantsBreakpoints: () => false,
  listsAll: () => true,
} as const satisfies Partial<Flavour>;

export const flavours: readonly Flavour[] = [
  {
    ...common,
    name: "openai",
    title: "OpenAI",
    baseUrl: "https://api.openai.com/v1",
    exampleModel: "gpt-4o",
    keyHelp: "Made at https://platform.openai.com/api-keys; it starts with sk-.",
    // OpenAI's newer models refuse max_tokens; most other servers know nothing else.
    newLengthParameter: ({ base_url, model }) =>
      isOpenai(base_url) || /(^|\/)(o[1-9]|gpt-[5-9])/.test(model),
    listsAll: ({ base_url }) => isOpenai(base_url),
  },
  {
    ...common,
    name: "openrouter",
    title: "OpenRouter",
    baseUrl: "https://openrouter.ai/api/v1",
    exampleModel: "anthropic/claude-sonnet-4.5",
    keyHelp: "Made at https://openrouter.ai/keys; it starts with sk-or-.",
    // Only attribution; `headers` in the config overrides them. The address is one that nobody can own.
    headers: { "HTTP-Referer": "https://barnacle.invalid", "X-Title": "Barnacle" },
    extras: { usage: { include: true } },
    thinking: (level) => ({ reasoning: level === "off" ? { enabled: false } : { effort: level } }),
    reasoningBack: "details",
    wantsBreakpoints: (model) => /^~?anthropic\//.test(model),
    keyPage: "/key", // its list of models is public and proves nothing
  },
  {
    ...common,
    name: "ollama",
    title: "Ollama",
    baseUrl: "http://127.0.0.1:11434/v1",
    exampleModel: "qwen3:8b",
    keyHelp: "Only where a proxy before Ollama asks for one.",
    needsKey: false,
    unknownWindow: 8192,
    windowIsKnown: false,
  },
  {
    ...common,
    name: "groq",
    title: "Groq",
    baseUrl: "https://api.groq.com/openai/v1",
    exampleModel: "openai/gpt-oss-120b",
    keyHelp: "Made at https://console.groq.com/keys; it starts with gsk_.",
    reasoningBack: "never", // it refuses the field
  },
  {
    ...common,
    name: "deepseek",
    title: "DeepSeek",
    baseUrl: "https://api.deepseek.com",
    exampleModel: "deepseek-chat",
    keyHelp: "Made at https://platform.deepseek.com/api_keys; it starts with sk-.",
    thinking: (level) =>
      level === "off"
        ? { thinking: { type: "disabled" } }
        : { thinking: { type: "enabled" }, reasoning_effort: level },
    reasoningBack: "always",
  },
  {
    ...common,
    name: "vllm",
    title: "vLLM",
    baseUrl: "http://127.0.0.1:8000/v1",
    exampleModel: "Qwen/Qwen3-8B",
    keyHelp: "The one given to vLLM as --api-key, if any.",
    needsKey: false,
    unknownWindow: 32_768,
    windowIsKnown: false,
    thinking: (level) => ({ chat_template_kwargs: { enable_thinking: level !== "off" } }),
  },
];

function isOpenai(baseUrl: string): boolean {
  return /(^|\.)openai\.com$/.test(hostOf(baseUrl));
}
