import { ModelError } from "../contracts/errors.ts";
import type { FailureKind } from "../contracts/errors.ts";
import { retryAfterMs } from "./retry-after.ts";
import { connectionFailure } from "./connection-failure.ts";

/** Who failed, and what must not be repeated of it. */
export interface Platform {
  /** For people: "Anthropic". */
  readonly name: string;
  readonly baseUrl: string;
  readonly model: string;
  /** Values that must not appear in a message. */
  readonly secrets: readonly string[];
}

/** What an API error says, gathered from the status, the headers and the shapes of body in use. */
interface Said {
  readonly status: number | undefined;
  readonly headers: Headers | undefined;
  /** `type` and `code` of the body, in lower case. */
  readonly codes: readonly string[];
  readonly words: string;
  /** The headers of OpenRouter's upstream, which it quotes in the body. */
  readonly upstream: Headers | undefined;
  /** OpenRouter's sign of a moderated input. */
  readonly moderated: boolean;
}

/** The typed failure of whatever the SDK, `fetch` or the stream threw; a `ModelError` passes as it is. */
export function modelFailure(thrown: unknown, platform: Platform, now = Date.now()): ModelError {
  if (thrown instanceof ModelError) return thrown;
  const { status, headers, error } = fields(thrown);
  if (status === undefined && headers === undefined) return connectionFailure(thrown, platform);
  return apiFailure(status, headers, error ?? messageOf(thrown), platform, now);
}

/** The typed failure of an answer with an error status, or of an error object within a stream (then without status). */
export function apiFailure(
  status: number | undefined,
  headers: Headers | undefined,
  body: unknown,
  platform: Platform,
  now = Date.now(),
): ModelError {
  const said = listen(status, headers, body);
  const kind = kindOf(said);
  const wait =
    kind === "rate-limited" || kind === "unavailable"
      ? (retryAfterMs(headers, "", now) ?? retryAfterMs(said.upstream, said.words, now))
      : undefined;
  const quote = quotable(said.words, platform);
  const words = quote === "" ? "" : ` It said: "${quote}"`;
  const about = [said.status === undefined ? "" : `HTTP ${said.status}`, ...said.codes].join(" ");
  return new ModelError(`${sentence(kind, said.status, platform, wait)}${words}`, {
    kind,
    retryAfterMs: wait,
    // The original carries headers and bodies, which may repeat a key.
    cause: new Error(about.trim() === "" ? "an error in the stream" : about.trim()),
  });
}

function listen(httpStatus: number | undefined, headers: Headers | undefined, body: unknown): Said {
  const outer = record(body);
  const inner = record(outer["error"] ?? body);
  const metadata = record(inner["metadata"]);
  const code = inner["code"];
  const numeric = typeof code === "number" && code >= 400 && code < 600 ? code : undefined;
  const candidates = [inner["message"], outer["message"], outer["error"], outer["detail"], body];
  const words = candidates.find((text) => typeof text === "string") ?? "";
  const raw = typeof metadata["raw"] === "string" ? ` ${metadata["raw"]}` : "";
  return {
    status: httpStatus ?? numeric,
    headers,
    codes: [inner["type"], code]
      .filter((value) => typeof value === "string")
      .map((value) => value.toLowerCase()),
    words: isMarkup(words) ? "" : words + raw,
    upstream: quotedHeaders(metadata["headers"]),
    moderated: Array.isArray(metadata["reasons"]) || "flagged_input" in metadata,
  };
}

function quotedHeaders(value: unknown): Headers | undefined {
  const entries = Object.entries(record(value)).filter(
    (entry): entry is [string, string] => /^[\w-]+$/.test(entry[0]) && typeof entry[1] === "string",
  );
  return entries.length === 0 ? undefined : new Headers(entries);
}

const tooLong =
  /context.?(length|window|size)|maximum context|prompt is too long|too many (input )?tokens|input is too long|exceed.{0,40}(context|maximum (input|number of tokens)|max_model_len)|reduce the length|request_too_large/i;
const noMoney =
  /insufficient.?(balance|quota|credits?|funds)|credit balance is too low|out of credits|(requires|add) more credits|key limit exceeded|payment required|spend(ing)? limit (reached|exceeded)/i;
const moneyCodes =
  /^(insufficient_quota|billing_\w+|\w*spend_limit_reached|insufficient_balance|quota_exceeded)$/;
const badKey = /api.?key (is )?(not valid|invalid|not found|expired)|(invalid|incorrect) api.?key/i;
const noModel =
  /model.{0,80}(not found|(does|do) not exist|doesn't exist|not exist|decommissioned|no longer available)|(not a valid|unknown|invalid) model|no endpoints found|model_not_(found|exist)/is;

function kindOf(said: Said): FailureKind {
  const { status, codes, words } = said;
  const has = (...wanted: string[]): boolean => codes.some((code) => wanted.includes(code));
  if (status === 413 || has("context_length_exceeded", "request_too_large")) return "too-long";
  if (status === 402 || codes.some((code) => moneyCodes.test(code))) return "unpaid";
  if (said.moderated) return "rejected";
  const isRefusal = status === undefined || (status >= 400 && status < 500);
  if (isRefusal && noMoney.test(words)) return "unpaid";
  if (status === 429 || (status === undefined && has("rate_limit_error", "rate_limit_exceeded"))) {
    const quota = /exceeded your current quota/i.test(words);
    const waits = said.headers?.has("retry-after") === true || /(retry|try again) in/i.test(words);
    return quota && !waits ? "unpaid" : "rate-limited";
  }
  if (isRefusal && badKey.test(words)) return "unauthorized";
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 408 || status === 504 || status === 524) return "timed-out";
  if (status !== undefined && status >= 500) return "unavailable";
  if (isRefusal && tooLong.test(words)) return "too-long";
  if (isRefusal && (noModel.test(words) || has("model_not_found"))) return "unknown-model";
  if (status === 404) return "unknown-model";
  if (status === 409 || status === 425) return "unavailable";
  return status === undefined ? kindOfCode(codes) : "rejected";
}

/** Errors within a stream have no status, only a name. */
function kindOfCode(codes: readonly string[]): FailureKind {
  const code = codes.join(" ");
  if (/authentication|permission|invalid_api_key/.test(code)) return "unauthorized";
  if (/not_found/.test(code)) return "unknown-model";
  if (/timeout/.test(code)) return "timed-out";
  if (/invalid_request|badrequest|bad_request/.test(code)) return "rejected";
  return "unavailable"; // overloaded_error, api_error, server_error, and what has no name
}

function sentence(
  kind: FailureKind,
  status: number | undefined,
  { name, baseUrl, model }: Platform,
  waitMs: number | undefined,
): string {
  const code = status === undefined ? "" : ` (${status})`;
  const wait = waitMs === undefined ? "" : `; it asks to wait ${duration(waitMs)}`;
  const sentences: Readonly<Record<FailureKind, string>> = {
    "rate-limited": `${name} limits how often "${model}" may be asked${code}${wait}.`,
    unavailable: `${name} cannot answer at the moment${code}.`,
    "timed-out": `${name} did not answer in time${code}.`,
    unauthorized: `${name} refused our key or this use of it${code}; check llm.api_key.`,
    unpaid: `The account at ${name} has no credit left for "${model}"${code}; add credit or set another model.`,
    "unknown-model": `${name} does not know the model "${model}" at ${new URL(baseUrl).host}${code}; check llm.model and llm.base_url.`,
    "too-long": `The conversation is too long for "${model}" at ${name}${code}.`,
    rejected: `${name} refused the request${code}.`,
  };
  return sentences[kind];
}

const maxQuoteChars = 300;

/** The platform's own words for a person: one line, bounded, without keys, and without what a URL may hide. */
function quotable(words: string, { secrets }: Pick<Platform, "secrets">): string {
  let text = words;
  for (const secret of secrets) {
    if (secret.length >= 4) text = text.replaceAll(secret, "[key]");
  }
  text = text
    .replace(/\b(?:sk|gsk|xai|rk|pk)[-_][A-Za-z0-9_*.-]{6,}/g, "[key]")
    .replace(/\b(Bearer)\s+[^\s"']+/gi, "$1 [key]")
    .replace(/(https?:\/\/)[^\s/"'@]+@/gi, "$1")
    .replace(/(https?:\/\/[^\s"'?#]+)[?#][^\s"']*/gi, "$1")
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();
  return text.length > maxQuoteChars ? `${text.slice(0, maxQuoteChars - 1)}…` : text;
}

/** "45 seconds", "2 minutes", "3 hours". */
function duration(ms: number): string {
  const [amount, unit] =
    ms < 90_000
      ? [Math.max(1, Math.ceil(ms / 1000)), "second"]
      : ms < 90 * 60_000
        ? [Math.ceil(ms / 60_000), "minute"]
        : [Math.ceil(ms / 3_600_000), "hour"];
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}

/** Both SDKs throw errors with these fields; read by shape, so that no SDK is loaded for an error. */
function fields(thrown: unknown): {
  status: number | undefined;
  headers: Headers | undefined;
  error: unknown;
} {
  const { status, headers, error } = record(thrown);
  return {
    status: typeof status === "number" ? status : undefined,
    headers: headers instanceof Headers ? headers : undefined,
    error,
  };
}

function messageOf(thrown: unknown): string {
  // The SDKs put the status before a body that is no JSON.
  return thrown instanceof Error ? thrown.message.replace(/^\d{3} /, "") : "";
}

function isMarkup(text: string): boolean {
  return /^\s*<(!doctype|html|\?xml|head|body)/i.test(text) || /status code \(no body\)/.test(text);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
