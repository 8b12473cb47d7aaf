import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface WebServer {
  /** "http://127.0.0.1:12345", and the same under any other name. */
  readonly origin: string;
  readonly port: number;
  /** The paths that were asked for, with the Host header in front. */
  readonly seen: readonly string[];
}

/** A real HTTP server on loopback for the length of a test. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<WebServer> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.headers.host ?? ""}${request.url ?? ""}`);
    answer(request, response);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, port, seen };
}
