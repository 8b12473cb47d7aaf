const maxMs = 24 * 60 * 60_000;

/**
 * How long the platform asks us to wait, in milliseconds, at most a day; undefined where it does not say.
 *
 * In this order: `retry-after-ms`; `Retry-After` as seconds or HTTP date (RFC 9110 10.2.3); Anthropic's
 * `anthropic-ratelimit-*-reset` (RFC 3339) of an exhausted limit; the `x-ratelimit-reset-*` of OpenAI and Groq ("6m0s") of
 * an exhausted limit; `x-ratelimit-reset` (OpenRouter: epoch in milliseconds); "try again in 5.2s" in the words.
 */
export function retryAfterMs(
  headers: Headers | undefined,
  words: string,
  now: number,
): number | undefined {
  const wait = headers === undefined ? undefined : fromHeaders(headers, now);
  const ms = wait ?? fromWords(words);
  return ms === undefined ? undefined : Math.round(Math.min(maxMs, Math.max(0, ms)));
}

function fromHeaders(headers: Headers, now: number): number | undefined {
  const ms = Number.parseFloat(headers.get("retry-after-ms") ?? "");
  if (Number.isFinite(ms)) return ms;
  const after = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(after)) return Number(after) * 1000;
  if (after !== "" && Number.isFinite(Date.parse(after))) return Date.parse(after) - now;
  return exhausted(headers, now) ?? epochOrSeconds(headers.get("x-ratelimit-reset"), now);
}

/** The longest reset among the limits of which nothing remains. */
function exhausted(headers: Headers, now: number): number | undefined {
  const waits: number[] = [];
  for (const limit of ["requests", "tokens", "input-tokens", "output-tokens"]) {
    if (headers.get(`anthropic-ratelimit-${limit}-remaining`) === "0") {
      waits.push(Date.parse(headers.get(`anthropic-ratelimit-${limit}-reset`) ?? "") - now);
    }
    if (headers.get(`x-ratelimit-remaining-${limit}`) === "0") {
      waits.push(durationMs(headers.get(`x-ratelimit-reset-${limit}`) ?? "") ?? Number.NaN);
    }
  }
  const known = waits.filter((wait) => Number.isFinite(wait));
  return known.length === 0 ? undefined : Math.max(...known);
}

function epochOrSeconds(text: string | null, now: number): number | undefined {
  const value = Number(text ?? Number.NaN);
  if (!Number.isFinite(value) || value <= 0) return undefined;
  if (value > 1e12) return value - now;
  if (value > 1e9) return value * 1000 - now;
  return value * 1000;
}

function fromWords(words: string): number | undefined {
  const found = /(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?\s?(?:ms|[hms])\s?)+)/i.exec(
    words,
  );
  return found?.[1] === undefined ? undefined : durationMs(found[1]);
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** "1s", "6m0s", "7.66s", "120ms". */
function durationMs(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s?(ms|[hms])/g)];
  if (parts.length === 0) return undefined;
  return parts.reduce(
    (sum, [, amount, unit = "s"]) => sum + Number(amount) * (unitMs[unit] ?? 0),
    0,
  );
}
