interface Limits {
  /** Tokens, input and output together. */
  readonly contextWindow: number;
  /** Tokens of one answer that we ask for; what the model could do at most may be more. */
  readonly maxOutputTokens: number;
}

/**
 * By family, first match wins; from the vendors' model pages. Routers put a vendor in front ("anthropic/claude-...").
 * A wrong guess is only a default: `context_window` and `max_output_tokens` override it.
 */
const families: readonly (readonly [name: RegExp, contextWindow: number, maxOutput: number])[] = [
  [/claude-3-(opus|haiku|sonnet)/, 200_000, 4096],
  [/claude-(3-5|3\.5)/, 200_000, 8192],
  [/claude-(fable|mythos|(opus|sonnet|haiku)-([5-9]|4[.-][6-9]))/, 1_000_000, 16_000],
  [/claude/, 200_000, 16_000],
  [/gpt-4\.1/, 1_000_000, 16_384],
  [/gpt-[5-9]/, 400_000, 16_384],
  [/(^|\/)o[1-9](-|$)/, 200_000, 16_384],
  [/gpt-4o|gpt-4-turbo/, 128_000, 4096],
  [/gpt-4(-0[36]\d\d)?$/, 8192, 2048],
  [/gpt-3\.5/, 16_385, 4096],
  [/gemini/, 1_000_000, 8192],
  [/deepseek-v4/, 1_000_000, 8192],
  [/grok/, 256_000, 8192],
];

/** What to assume of a model of this name when the config does not say. */
export function knownLimits(model: string, unknownWindow = 128_000): Limits {
  const family = families.find(([name]) => name.test(model.toLowerCase()));
  if (family !== undefined) return { contextWindow: family[1], maxOutputTokens: family[2] };
  return { contextWindow: unknownWindow, maxOutputTokens: Math.min(8192, unknownWindow / 4) };
}
