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
  try {
    await converse(dist);
    await loadTheRest(dist);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(
      `The compile cache could not be filled, so starts are slower. ${reason}\n`,
    );
  }
}

/** A gateway starts, answers one message, and ends. */
async function converse(dist: string): Promise<void> {
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
          token: "1000:warm-up",
          api_root: `http://127.0.0.1:${port}`,
          allowed_users: [1],
        },
      }),
    );
    const gateway = run([
      join(dist, "barnacle.js"),
      "gateway",
      `--config=${config}`,
      `--state=${join(folder, "state")}`,
      `--workspace=${join(folder, "workspace")}`,
    ]);
    const tooLong = sleep(conversationMs, undefined, { ref: false });
    await Promise.race([telegram.answered, gateway.ended, tooLong]);
    gateway.stop();
    await gateway.ended;
  } finally {
    telegram.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The SDKs that the conversation did not need. */
async function loadTheRest(dist: string): Promise<void> {
  await run(["--input-type=module", "-e", loadChunks, dist]).ended;
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

interface Run {
  /** Rejects with what it wrote to stderr, unless it exited with 0. */
  readonly ended: Promise<void>;
  stop(): void;
}

function run(args: readonly string[]): Run {
  // Nothing of the builder's environment: a proxy, say, would come between the gateway and its counterpart.
  const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? tmpdir() };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  const ended = once(child, "close").then(([code]) => {
    if (code === 0) return;
    throw new Error(`${args[1]} ended with ${code}: ${stderr.trim()}`);
  });
  ended.catch(() => undefined); // whoever waits for it gets it
  return {
    ended,
    stop() {
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), conversationMs).unref();
    },
  };
}

interface Call {
  readonly offset?: number;
  readonly timeout?: number;
}

interface Telegram {
  listen(): Promise<number>;
  /** Resolves when the bot has answered the one message that it is sent. */
  readonly answered: Promise<void>;
  close(): void;
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
