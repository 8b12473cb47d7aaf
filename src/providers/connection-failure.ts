import { ModelError } from "../contracts/errors.ts";

interface Peer {
  readonly name: string;
  readonly baseUrl: string;
}

/** The typed failure of a connection that never came about or broke; its sentence names the host and the reason. */
export function connectionFailure(thrown: unknown, { name, baseUrl }: Peer): ModelError {
  const { host } = new URL(baseUrl);
  const causes = chain(thrown);
  const codes = causes.map((cause) => codeOf(cause)).filter((code) => code !== "");
  const messages = causes.map((cause) => (cause instanceof Error ? cause.message : ""));
  const fail = (kind: "unavailable" | "timed-out", reason: string): ModelError =>
    new ModelError(`${name} could not be reached at ${host}: ${reason}.`, { kind, cause: thrown });
  const is = (pattern: RegExp): boolean => codes.some((code) => pattern.test(code));

  if (thrown instanceof SyntaxError) {
    return new ModelError(`${name} at ${host} sent an answer that is not of its protocol.`, {
      kind: "unavailable",
      cause: thrown,
    });
  }
  if (
    is(/^ERR_PROXY_TUNNEL$/) ||
    messages.some((text) => /proxy|^request was cancelled/i.test(text))
  ) {
    return fail(
      "unavailable",
      "the proxy did not let the connection through; allow the host there",
    );
  }
  if (is(/^ECONNREFUSED$/)) return fail("unavailable", "nothing accepts connections there");
  if (is(/^(ENOTFOUND|EAI_AGAIN|EAI_NODATA|EAI_NONAME)$/)) {
    return fail("unavailable", "its name could not be resolved; check llm.base_url and the DNS");
  }
  if (is(/^(ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|ENETDOWN)$/)) {
    return fail("unavailable", "there is no route to it");
  }
  if (is(/CERT|^ERR_TLS|^ERR_SSL|^UNABLE_TO|^EPROTO$|SELF_SIGNED/)) {
    return fail("unavailable", `the encrypted connection failed (${codes.join(", ")})`);
  }
  if (is(/^(UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT|ETIMEDOUT)$/) || messages.some(isTimeOut)) {
    return fail("timed-out", "it did not answer in time");
  }
  if (is(/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|ECONNABORTED)$/) || messages.includes("terminated")) {
    return brokenOff({ name, baseUrl }, thrown);
  }
  const reason =
    codes.length === 0 ? "the connection failed" : `the connection failed (${codes.join(", ")})`;
  return fail("unavailable", reason);
}

/** A stream that ended before the model did. */
export function brokenOff({ name, baseUrl }: Peer, cause?: unknown): ModelError {
  const { host } = new URL(baseUrl);
  return new ModelError(
    `The connection to ${name} at ${host} broke off before the answer was complete.`,
    {
      kind: "unavailable",
      cause,
    },
  );
}

/** The error, its causes, and the members of an AggregateError (one for each address that was tried). */
function chain(thrown: unknown): unknown[] {
  const found: unknown[] = [];
  const waiting = [thrown];
  while (waiting.length > 0 && found.length < 20) {
    const next = waiting.shift();
    found.push(next);
    if (next instanceof AggregateError) waiting.push(...(next.errors as unknown[]));
    if (next instanceof Error && next.cause !== undefined) waiting.push(next.cause);
  }
  return found;
}

function codeOf(thrown: unknown): string {
  const code = (thrown as { readonly code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "";
}

function isTimeOut(message: string): boolean {
  return /timed? ?out/i.test(message);
}
