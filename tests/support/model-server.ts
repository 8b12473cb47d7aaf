import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a JSON of any shape, looked into by tests
  readonly body: any;
}

export type Answer = (response: ServerResponse, received: Received) => void | Promise<void>;

export interface ModelServer {
  readonly url: string;
  readonly received: readonly Received[];
  /** Answers the requests to come; the last answer stays. */
  answer(...answers: readonly Answer[]): void;
  stop(): Promise<void>;
}

/** A plain HTTP server on loopback that answers byte by byte what a test tells it to. */
export async function startModelServer(): Promise<ModelServer> {
  const received: Received[] = [];
  let answers: Answer[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const { method = "", url: path = "", headers } = incoming;
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      const now = { method, path, headers, text, body };
      received.push(now);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      void Promise.resolve(answer?.(response, now)).catch(() => response.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    answer: (...given) => (answers = [...given]),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An event stream of these JSON values (or raw lines), sent in pieces of `pieceBytes`. */
export function sse(
  events: readonly unknown[],
  { pieceBytes = Number.POSITIVE_INFINITY, end = "close", newline = "\n" } = {},
): Answer {
  return async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const bytes = Buffer.from(events.map((event) => frame(event, newline)).join(""), "utf8");
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      response.write(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)));
      if (pieceBytes < bytes.length) await new Promise((resolve) => setImmediate(resolve));
    }
    if (end === "close") response.end();
    if (end === "reset") setImmediate(() => response.destroy());
    // "silence": the connection stays open and nothing more is said.
  };
}

function frame(event: unknown, newline: string): string {
  if (typeof event === "string") return event;
  const type = (event as { readonly type?: unknown }).type;
  const name = typeof type === "string" ? `event: ${type}${newline}` : "";
  return `${name}data: ${JSON.stringify(event)}${newline}${newline}`;
}

export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return (response) => {
    const isText = typeof body === "string";
    response.writeHead(status, {
      "content-type": isText ? "text/html" : "application/json",
      ...headers,
    });
    response.end(isText ? body : JSON.stringify(body));
  };
}
