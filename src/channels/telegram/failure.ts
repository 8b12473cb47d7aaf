import { ChannelError } from "../../contracts/errors.ts";

/** Failures before a request was written: Telegram cannot have acted on it. Node's codes, and OpenSSL's for TLS. */
const neverReached = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "EACCES",
  "EPERM",
  "EADDRNOTAVAIL",
  "ERR_PROXY_TUNNEL",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/**
 * Whatever grammY or fetch threw, as a ChannelError. Nothing of theirs is kept, not as a cause either: their messages
 * and fields hold the URL, and the URL holds the token.
 *
 * @param doing what failed, for the sentence: "send a message"
 * @param token to take out of what the other side says: a broken gateway may repeat the URL
 */
export function telegramFailure(error: unknown, doing: string, token: string): ChannelError {
  if (error instanceof ChannelError) return error;
  const refusal = refusalOf(error);
  return refusal === undefined
    ? networkFailure(error, doing)
    : refused(refusal, doing, redact(refusal.description, token));
}

interface Refusal {
  readonly code: number;
  readonly description: string;
  readonly retryAfterSeconds?: number | undefined;
  readonly migratedTo?: number | undefined;
}

/** What Telegram answered where it answered no; undefined where it did not answer. Told by shape, not by class. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !("error_code" in error)) return undefined;
  if (typeof error.error_code !== "number") return undefined;
  const description = "description" in error ? String(error.description) : "";
  const parameters: { retry_after?: unknown; migrate_to_chat_id?: unknown } =
    "parameters" in error && typeof error.parameters === "object" ? (error.parameters ?? {}) : {};
  return {
    code: error.error_code,
    description,
    retryAfterSeconds: numberOr(parameters.retry_after),
    migratedTo: numberOr(parameters.migrate_to_chat_id),
  };
}

function numberOr(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function refused(refusal: Refusal, doing: string, said: string): ChannelError {
  const { code } = refusal;
  const answer = `Telegram refused to ${doing} (${code}: ${said})`;
  if (code === 429) {
    const waitMs = Math.max(1, refusal.retryAfterSeconds ?? 1) * 1000;
    return new ChannelError(
      `Telegram asks to wait ${Math.ceil(waitMs / 1000)} s before the next try to ${doing}.`,
      { kind: "rate-limited", fate: "not-sent", retryAfterMs: waitMs },
    );
  }
  if (code === 401) {
    return new ChannelError(
      `Telegram refused the bot's token (401). Check the channel's "token", or get a new one from @BotFather.`,
      { kind: "unauthorized", fate: "not-sent" },
    );
  }
  if (code === 413 || /too long|too big|too large/i.test(said)) {
    return new ChannelError(`${answer}.`, { kind: "too-long", fate: "not-sent" });
  }
  if (code === 409) {
    return new ChannelError(conflictSentence, { kind: "unavailable", fate: "not-sent" });
  }
  if (code >= 400 && code < 500) {
    return new ChannelError(`${answer}. ${hintFor(said)}`.trimEnd(), {
      kind: "rejected",
      fate: "not-sent",
    });
  }
  return new ChannelError(`Telegram had a failure of its own (${code}) when asked to ${doing}.`, {
    kind: "unavailable",
    fate: "unknown",
  });
}

const conflictSentence =
  "Another program is polling this token (409), so Telegram gives each of them only some of the messages. " +
  "Stop the other one, or get a token of its own for each from @BotFather.";

function hintFor(said: string): string {
  if (/blocked by the user/i.test(said)) return "The person has blocked the bot.";
  if (/user is deactivated/i.test(said)) return "The person's account no longer exists.";
  if (/initiate conversation/i.test(said)) return "The person has to write to the bot first.";
  if (/kicked|not a member/i.test(said)) return "The bot is no longer in that chat: add it again.";
  if (/chat not found/i.test(said)) return "The bot has never met this chat, or was removed.";
  if (/not enough rights|have no rights|CHAT_WRITE_FORBIDDEN/i.test(said)) {
    return "The bot may not write there: give it the right to send messages.";
  }
  if (/thread not found|TOPIC_/i.test(said)) return "The topic was deleted or closed.";
  return "";
}

function networkFailure(error: unknown, doing: string): ChannelError {
  const { code, isUnsent, isTimeout, isGarbage } = networkFacts(error);
  const why = code === "" ? "" : ` (${code})`;
  if (isUnsent) {
    return new ChannelError(
      `Telegram could not be reached${why} to ${doing}. ${hintForCode(code)}`,
      {
        kind: "unavailable",
        fate: "not-sent",
      },
    );
  }
  if (isGarbage) {
    return new ChannelError(
      `What answered in Telegram's place, when asked to ${doing}, did not speak its language: a proxy's error page, or a wrong "api_root".`,
      { kind: "unavailable", fate: "unknown" },
    );
  }
  return new ChannelError(
    isTimeout
      ? `Telegram did not answer in time when asked to ${doing}.`
      : `The connection to Telegram broke${why} when asked to ${doing}.`,
    { kind: "timed-out", fate: "unknown" },
  );
}

interface NetworkFacts {
  readonly code: string;
  /** It failed before the request was written. */
  readonly isUnsent: boolean;
  readonly isTimeout: boolean;
  readonly isGarbage: boolean;
}

/** node-fetch (in grammY's `HttpError.error`) and fetch (in `cause`) wrap Node's error; only its code is kept. */
function networkFacts(error: unknown): NetworkFacts {
  let code = "";
  let messages = "";
  let names = "";
  let types = "";
  let inner: unknown = error;
  for (let depth = 0; depth < 4 && inner instanceof Error; depth += 1) {
    const fields = inner as Error & { code?: unknown; type?: unknown; error?: unknown };
    if (typeof fields.code === "string" && /^[A-Z_0-9]{3,50}$/.test(fields.code)) {
      code = fields.code;
    }
    messages += `${fields.message}\n`;
    names += `${fields.name} `;
    types += `${typeof fields.type === "string" ? fields.type : ""} `;
    inner = fields.error ?? fields.cause;
  }
  // All addresses of a name failed: node-fetch's reason is empty then.
  const whileConnecting =
    /\b(?:connect|getaddrinfo) E|reason: $|before secure TLS connection/m.test(messages);
  const whileTalking = /\b(?:read|write) E/.test(messages);
  return {
    code,
    isUnsent: code !== "" && !whileTalking && (neverReached.has(code) || whileConnecting),
    isTimeout:
      code === "ETIMEDOUT" ||
      /\b(?:Abort|Timeout)Error\b/.test(names) ||
      /timed out after [\d.]+ seconds$/m.test(messages),
    // grammY takes any JSON for Telegram's refusal, also one without a code.
    isGarbage:
      /invalid-json|max-size|no-redirect/.test(types) || /SyntaxError|GrammyError/.test(names),
  };
}

function hintForCode(code: string): string {
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "Its name does not resolve: check DNS.";
  if (code === "ERR_PROXY_TUNNEL") return "The egress proxy refused it: is the host allowed?";
  if (code.includes("CERT") || code.includes("SIGNED")) {
    return "The TLS certificate is not trusted: check the clock, proxies and api_root.";
  }
  return "Check the network and api_root.";
}

function redact(text: string, token: string): string {
  const clean = text
    .replaceAll(token, "[secret]")
    .replaceAll(encodeURIComponent(token), "[secret]");
  const secretPart = token.split(":")[1] ?? "";
  return (secretPart === "" ? clean : clean.replaceAll(secretPart, "[secret]")).slice(0, 300);
}
