import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const conversationMs = 20_000;

/**
 * Fills Node's compile cache beside the bundle: V8 keeps what was compiled when the process ends, so first a gateway
 * answers one message, then every chunk that it did not need is loaded once. The cache is valid for this user and
 * this version of Node. It is never worth failing a build: without it a start takes some 30 ms longer.
 */
export async function warmUp(dist: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "barnacle-warm-up-"));
  const telegram = createTelegram();
  try {
    const port = await telegram.listen();
    const config = join(folder, "config.json");
    writeFileSync(
      config,
      JSON.stringify({
        llm: { provider: "offline", model: "offline" },
        channel: {
          type: "telegram",
          token: "1:warm-up",
          api_root: `http://127.0.0.1:${port}`,
          allowed_users: [1],
        },
      }),
    );
    const gateway = run(
      [
        join(dist, "barnacle.js"),
        "gateway",
        `--config=${config}`,
        `--state=${join(folder, "state")}`,
        `--workspace=${join(dist, "workspace-template")}`,
      ],
      folder,
    );
    await Promise.race([
      telegram.answered,
      gateway.ended,
      sleep(conversationMs, undefined, { ref: false }),
    ]);
    gateway.stop();
    if ((await gateway.ended) !== 0) warn(gateway.log());
    const chunks = run(["--input-type=module", "-e", loadChunks, dist], folder);
    if ((await chunks.ended) !== 0) warn(chunks.log());
  } finally {
    telegram.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Entries run something when they are loaded; their chunks do not. */
const loadChunks = `
  import { enableCompileCache } from "node:module";
  import { readdirSync } from "node:fs";
  import { join } from "node:path";
  import { pathToFileURL } from "node:url";
  const dist = process.argv[1];
  enableCompileCache({ directory: join(dist, ".cache"), portable: true });
  for (const name of readdirSync(dist)) {
    if (/-[A-Z0-9]{8}\\.js$/.test(name)) await import(pathToFileURL(join(dist, name)).href);
  }
  process.exit(0);
`;

function warn(log: string): void {
  process.stderr.write(`The compile cache could not be filled, so starts are slower. ${log}\n`);
}

interface Run {
  /** The exit code; 1 when a signal ended it. */
  readonly ended: Promise<number>;
  stop(): void;
  log(): string;
}

function run(args: readonly string[], cwd: string): Run {
  const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  const ended = once(child, "close").then(([code]) => (typeof code === "number" ? code : 1));
  return {
    ended,
    stop() {
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), 5000).unref();
    },
    log: () => stderr.trim(),
  };
}

interface Telegram {
  listen(): Promise<number>;
  /** Resolves when the bot has answered the one message that it is sent. */
  readonly answered: Promise<void>;
  close(): void;
}

interface Call {
  readonly offset?: number;
  readonly timeout?: number;
}

/** The least of the Bot API that lets a bot start, get one message and answer it. */
function createTelegram(): Telegram {
  const done = Promise.withResolvers<void>();
  const bot = { id: 1000, is_bot: true, first_name: "Warm-up", username: "warm_up_bot" };
  const chat = { id: 1, type: "private", first_name: "Builder" };
  const message = {
    message_id: 1,
    date: Math.floor(Date.now() / 1000),
    chat,
    from: { id: 1, is_bot: false, first_name: "Builder" },
    text: "Read welcome.md",
  };
  let messageId = 1;
  const results: Record<string, (call: Call) => unknown> = {
    getMe: () => bot,
    getUpdates: ({ offset = 0, timeout = 0 }) => {
      if (offset < 2) return [{ update_id: 1, message }];
      return timeout === 0 ? [] : undefined;
    },
    sendMessage: () => {
      setTimeout(done.resolve, 300).unref();
      messageId += 1;
      return { ...message, message_id: messageId, from: bot, text: "…" };
    },
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const method = request.url?.split("/").at(-1)?.split("?")[0] ?? "";
    const call = body.startsWith("{") ? (JSON.parse(body) as Call) : {};
    const result = (results[method] ?? (() => true))(call);
    if (result === undefined) return; // a long poll without news: it ends with the connection
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ok: true, result }));
  }
  const server: Server = createServer((request, response) => {
    void answer(request, response);
  });
  return {
    answered: done.promise,
    async listen() {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return (server.address() as AddressInfo).port;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const part of request.setEncoding("utf8")) body += String(part);
  return body;
}
