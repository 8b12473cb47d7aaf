import { ModelError } from "../contracts/errors.ts";

/** `type: "sign-of-life"` is a comment line, which servers send while a model thinks. */
export type StreamEvent =
  | { readonly type: "event"; readonly name: string; readonly data: string }
  | { readonly type: "sign-of-life" };

/** Far above any real answer; a server that never ends must not fill the memory. */
const maxEventChars = 8 * 1024 * 1024;
const maxStreamBytes = 64 * 1024 * 1024;

/**
 * Server-sent events of a response body, as they arrive (the HTML standard, 9.2.6), whatever the places where the
 * network cut the bytes. Ends with the body; throws what the connection threw, or the signal's reason.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  let name = "";
  let data: string[] = [];
  let size = 0;
  const take = (): StreamEvent | undefined => {
    const event =
      data.length === 0 ? undefined : ({ type: "event", name, data: data.join("\n") } as const);
    name = "";
    data = [];
    size = 0;
    return event;
  };
  for await (const line of readLines(body, signal)) {
    if (line === "") {
      const event = take();
      if (event !== undefined) yield event;
      continue;
    }
    if (line.startsWith(":")) {
      yield { type: "sign-of-life" };
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    if (field === "data") {
      data.push(value);
      size += value.length;
      if (size > maxEventChars) throw endless();
    }
  }
  // Some servers leave out the last empty line; where the connection broke, a torn event is left.
  const last = take();
  if (last?.type === "event" && isWhole(last.data)) yield last;
}

function isWhole(data: string): boolean {
  if (data === "[DONE]") return true;
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false;
  }
}

async function* readLines(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", cancel, { once: true });
  const decoder = new TextDecoder();
  let rest = "";
  let bytes = 0;
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      bytes += value?.length ?? 0;
      if (bytes > maxStreamBytes) throw endless();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // A CR at the end may be half of a CRLF: it waits for what follows.
      const lines = rest.split(done ? /\r\n|\n|\r/ : /\r\n|\n|\r(?=[^])/);
      rest = lines.pop() ?? "";
      if (rest.length > maxEventChars) throw endless();
      yield* lines;
      if (done) {
        if (rest !== "") yield rest;
        return;
      }
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

function endless(): ModelError {
  const text = "The model's server sent more than an answer can hold, so the call was ended.";
  return new ModelError(text, { kind: "unavailable" });
}
