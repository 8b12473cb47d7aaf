import type { Readable } from "node:stream";

/** A longer line is handed on in pieces of this length, so that endless input does not fill the memory. */
const maxLineLength = 100_000;

/** The lines of a pipe or file, read only as fast as they are taken. Ends with the input or the signal. */
export async function* readLines(input: Readable, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const waiting = input.iterator({ destroyOnReturn: false });
  const aborted = new Promise<"aborted">((resolve) => {
    if (signal.aborted) resolve("aborted");
    signal.addEventListener("abort", () => resolve("aborted"), { once: true });
  });
  let rest = "";
  for (;;) {
    const next = await Promise.race([waiting.next(), aborted]);
    if (next === "aborted") return;
    if (next.done === true) break;
    const chunk: unknown = next.value;
    rest +=
      typeof chunk === "string" ? chunk : decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield* pieces(line.replace(/\r$/, ""));
    while (rest.length > maxLineLength) {
      yield rest.slice(0, maxLineLength);
      rest = rest.slice(maxLineLength);
    }
  }
  yield* pieces(rest + decoder.decode());
}

function* pieces(line: string): Generator<string> {
  for (let at = 0; at < line.length; at += maxLineLength) yield line.slice(at, at + maxLineLength);
}
