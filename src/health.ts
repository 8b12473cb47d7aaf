import { chmodSync, existsSync, mkdirSync, openSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { basename, dirname, join } from "node:path";

/** What `health`, `/health` and `/ready` tell; `schemaVersion` changes when a field changes its meaning. */
export interface HealthReport {
  readonly schemaVersion: 1;
  readonly status: "ok" | "not-ready" | "config-error";
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly channels: Readonly<
    Record<
      string,
      {
        readonly up: boolean;
        readonly account?: string | undefined;
        readonly reason?: string | undefined;
      }
    >
  >;
  readonly model?: string;
  readonly queue?: { readonly waiting: number; readonly running: number; readonly toSend: number };
  /** Of a config that cannot be used, a sentence each. */
  readonly mistakes?: readonly string[];
}

export interface HealthServer {
  close(): Promise<void>;
}

const requestTimeoutMs = 5000;

/** Importing node:http as a module loads all of undici with it, for the sake of one lazy export: 25 ms and 8 MB. */
const { createServer, request } = process.getBuiltinModule("node:http");

/** The Unix socket in the state folder, for this user alone. */
export function healthSocket(state: string): string {
  return join(state, "health.sock");
}

/** Serves the report on a Unix socket and, if given, on a TCP port: 200 when ok, 503 otherwise. */
export async function serveHealth(options: {
  readonly socket: string;
  readonly tcp?: { readonly host: string; readonly port: number } | undefined;
  readonly report: () => HealthReport;
}): Promise<HealthServer> {
  const servers = [createHealthServer(options.report)];
  mkdirSync(dirname(options.socket), { recursive: true, mode: 0o700 });
  // Left by a killed predecessor; the lock on the state has shown that it is gone.
  rmSync(options.socket, { force: true });
  await listen(servers[0] as Server, { path: shortPath(options.socket) });
  chmodSync(options.socket, 0o600);
  if (options.tcp !== undefined) {
    const server = createHealthServer(options.report);
    servers.push(server);
    await listen(server, options.tcp);
  }
  return {
    async close() {
      await Promise.all(
        servers.map(async (server) => {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
        }),
      );
    },
  };
}

/** Asks a running gateway; undefined when none answers. */
export async function askHealth(socket: string): Promise<HealthReport | undefined> {
  if (!existsSync(socket)) return undefined;
  return await new Promise((resolve) => {
    const call = request(
      { socketPath: shortPath(socket), path: "/health", timeout: requestTimeoutMs },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()) as HealthReport);
          } catch {
            resolve(undefined); // not our gateway
          }
        });
      },
    );
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(undefined));
    call.end();
  });
}

/** The kernel takes at most 107 bytes for a socket's path; a deep folder is reached through a descriptor of it. */
function shortPath(socket: string): string {
  if (Buffer.byteLength(socket) < 100) return socket;
  const folder = openSync(dirname(socket), "r");
  return `/proc/self/fd/${folder}/${basename(socket)}`;
}

function createHealthServer(report: () => HealthReport): Server {
  const server = createServer((incoming, response) => {
    const path = incoming.url?.split("?")[0];
    if (incoming.method !== "GET" || (path !== "/health" && path !== "/ready")) {
      response
        .writeHead(404, { "content-type": "application/json" })
        .end('{"status":"not-found"}\n');
      return;
    }
    const now = report();
    response
      .writeHead(now.status === "ok" ? 200 : 503, { "content-type": "application/json" })
      .end(`${JSON.stringify(now)}\n`);
  });
  server.headersTimeout = requestTimeoutMs;
  server.requestTimeout = requestTimeoutMs;
  server.maxConnections = 32;
  return server;
}

async function listen(
  server: Server,
  where: { path: string } | { host: string; port: number },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      server.unref();
      resolve();
    });
  });
}
