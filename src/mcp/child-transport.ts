import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { ReadBuffer, serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import type { Logger } from "../contracts/logger.ts";

export interface ChildOptions {
  readonly file: string;
  readonly args: readonly string[];
  /** All of it: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Of one message from the child. */
  readonly maxMessageBytes: number;
  readonly log: Logger;
}

/** How long a child may take to end by itself once its stdin is closed. */
const graceMs = 4000;
const maxStderrLines = 50;
const maxStderrLine = 500;
/** Messages that nobody asked for, before the child is taken for broken. */
const maxUnasked = 500;

/**
 * MCP over the stdio of a child that is not trusted: what it sends is bounded, what is not MCP ends it, and it ends
 * for sure. Its stderr goes to the log.
 */
export class ChildTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #options: ChildOptions;
  readonly #buffer: ReadBuffer;
  #child: ChildProcess | undefined;
  #unasked = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#buffer = new ReadBuffer({ maxBufferSize: options.maxMessageBytes });
  }

  get isAlive(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    const { file, args, env } = this.#options;
    const child = spawn(file, args, { cwd: "/", env, stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    child.once("close", () => {
      resolve();
      this.onclose?.();
    });
    child.stdin.on("error", () => undefined); // its end is told by "close"
    child.stdout.on("data", (chunk: Buffer) => this.#read(chunk));
    child.stdout.on("error", () => undefined);
    this.#logStderr(child);
    await new Promise<void>((started, failed) => {
      child.once("spawn", started);
      child.once("error", failed);
    });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (stdin?.writable !== true) throw new Error("The process has ended.");
    if ("method" in message && "id" in message) this.#unasked = 0;
    // Not waiting for it to be read: a child that reads nothing must not hold up its caller's time limit.
    stdin.write(serializeMessage(message));
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.stdin?.end();
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** At once, with all that it started: a server that hangs cannot end its own commands. */
  kill(): void {
    const child = this.#child;
    if (child?.pid === undefined || !this.isAlive) return;
    const tree = descendantsOf(child.pid);
    child.kill("SIGKILL");
    for (const pid of tree) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it has ended
      }
    }
  }

  #read(chunk: Buffer): void {
    try {
      this.#buffer.append(chunk);
      for (let message = this.#buffer.readMessage(); message !== null;) {
        this.#pass(message);
        message = this.#buffer.readMessage();
      }
    } catch (error) {
      this.#options.log.warn({ error: String(error).slice(0, 300) }, "a child broke the protocol");
      this.kill();
    }
  }

  #pass(message: JSONRPCMessage): void {
    this.#unasked += 1;
    if (this.#unasked > maxUnasked) throw new Error("It sent too many messages unasked.");
    this.onmessage?.(message);
  }

  #logStderr(child: ChildProcess): void {
    let lines = 0;
    let rest = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      if (lines >= maxStderrLines) return; // read on, or the child would hang
      const parts = (rest + chunk).slice(0, 64 * 1024).split("\n");
      rest = (parts.pop() ?? "").slice(0, maxStderrLine);
      for (const line of parts.slice(0, maxStderrLines - lines)) {
        lines += 1;
        this.#options.log.warn(
          { pid: child.pid, said: line.slice(0, maxStderrLine) },
          "child said",
        );
      }
    });
  }
}

/** By parentage in /proc, as far as it can be seen. */
function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(name);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const next = children.get(pid) ?? [];
    found.push(...next);
    waiting.push(...next);
  }
  return found;
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0; // it ended meanwhile
  }
}
