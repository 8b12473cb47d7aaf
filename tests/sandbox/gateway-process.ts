/**
 * A gateway reduced to its sandbox, in a process of its own: so that it can run as another user, and be killed.
 * Reads one JSON request a line, answers one a line.
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Logger } from "../../src/contracts/logger.ts";
import { createSandbox, type SandboxOptions } from "../../src/mcp/sandbox.ts";
import { sandboxSpecs } from "../../src/sandbox/specs.ts";

export interface Request {
  readonly id: number;
  readonly do: "call" | "abort" | "upload" | "persona" | "confinement" | "tools" | "stop";
  readonly tool?: string;
  readonly input?: unknown;
  readonly space?: string;
  /** Of the request to abort. */
  readonly target?: number;
}

export interface Response {
  readonly id: number;
  readonly failed: boolean;
  readonly value: unknown;
}

const given = JSON.parse(process.argv[2] ?? "{}") as Omit<
  SandboxOptions,
  "specs" | "launcher" | "server" | "log"
>;
const source = join(import.meta.dirname, "../../src/sandbox");
const write =
  (level: string) =>
  (fields: Readonly<Record<string, unknown>>, message: string): void => {
    process.stderr.write(`${JSON.stringify({ level, message, ...fields })}\n`);
  };
const log: Logger = {
  debug: write("debug"),
  info: write("info"),
  warn: write("warn"),
  error: write("error"),
  child: () => log,
};
const sandbox = createSandbox({
  specs: sandboxSpecs,
  launcher: join(source, "launch.ts"),
  server: join(source, "server.ts"),
  log,
  ...given,
});
const running = new Map<number, AbortController>();

async function handle(request: Request): Promise<unknown> {
  const { space = "main" } = request;
  const controller = new AbortController();
  running.set(request.id, controller);
  const { signal } = controller;
  switch (request.do) {
    case "call": {
      const tool = (await sandbox.tools()).find(({ name }) => name === request.tool);
      if (tool === undefined) throw new Error(`no tool ${request.tool}`);
      const result = await tool.call(request.input, {
        address: { channel: "test", chat: space },
        sender: { id: "1", name: "tester" },
        space,
        log,
        signal,
      });
      const [first] = result.content;
      return first?.type === "text" ? first.text : "";
    }
    case "upload": {
      const { name, data } = request.input as { name: string; data: string };
      return sandbox.saveUpload(space, name, Buffer.from(data), signal);
    }
    case "abort":
      running.get(request.target ?? -1)?.abort(new Error("stopped by the user"));
      return true;
    case "persona":
      return sandbox.persona(space, signal);
    case "confinement":
      return sandbox.confinement();
    case "tools":
      return sandbox.tools();
    case "stop":
      return sandbox.stop();
    default:
      throw new Error("unknown request");
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line) as Request;
  const answer = (failed: boolean, value: unknown): void => {
    running.delete(request.id);
    process.stdout.write(`${JSON.stringify({ id: request.id, failed, value })}\n`);
  };
  handle(request).then(
    (value) => answer(false, value ?? null),
    (error: unknown) => answer(true, error instanceof Error ? error.message : String(error)),
  );
});
