import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { ToolError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { ChildOptions } from "./child-transport.ts";
import { orAbort } from "./or-abort.ts";

/** One space's sandbox, running. */
export interface SpaceProcess {
  readonly pid: number | undefined;
  isAlive(): boolean;
  /** The tool's text. Throws a `ToolError` with the tool's own words, or saying that its outcome is unknown. */
  callTool(
    name: string,
    input: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<string>;
  listResources(signal: AbortSignal): Promise<readonly string[]>;
  readResource(uri: string, signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

const startMs = 20_000;
const readMs = 10_000;
const maxAnswerLength = 256 * 1024;

/** Starts a child and greets it. The SDK is loaded here, so that a bot without work for it never has it in memory. */
export async function openSpaceProcess(
  child: Omit<ChildOptions, "log">,
  log: Logger,
  signal: AbortSignal,
): Promise<SpaceProcess> {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { ChildTransport } = await import("./child-transport.ts");
  const transport = new ChildTransport({ ...child, log });
  const client: Client = new Client({ name: "barnacle", version: "1" });
  try {
    await orAbort(client.connect(transport, { timeout: startMs }), signal);
  } catch (error) {
    transport.kill();
    log.error({ error: String(error).slice(0, 300) }, "the sandbox did not start");
    throw new ToolError("The sandbox could not start. The operator finds the reason in the log.", {
      cause: error,
    });
  }
  const { pid } = transport;

  return {
    pid,
    isAlive: () => transport.isAlive,
    async callTool(name, input, timeoutMs, signal) {
      try {
        const result = await client.callTool({ name, arguments: { ...input } }, undefined, {
          signal,
          timeout: timeoutMs,
        });
        const text = textOf(result.content);
        if (result.isError === true) throw new ToolError(text);
        return text;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof ToolError) throw error;
        log.warn({ pid, tool: name, error: String(error).slice(0, 300) }, "the sandbox failed");
        transport.kill();
        throw new ToolError(
          `The sandbox failed while ${name} ran, so its outcome is unknown. Look before doing it again.`,
          { cause: error },
        );
      }
    },
    async listResources(signal) {
      const { resources } = await client.listResources(undefined, { signal, timeout: readMs });
      return resources.map(({ uri }) => uri);
    },
    async readResource(uri, signal) {
      const { contents } = await client.readResource({ uri }, { signal, timeout: readMs });
      return contents.map((part) => ("text" in part ? part.text : "")).join("");
    },
    close: () => transport.close(),
  };
}

function textOf(content: unknown): string {
  const parts = Array.isArray(content) ? (content as readonly unknown[]) : [];
  const texts = parts.map((part) =>
    typeof part === "object" && part !== null && "text" in part ? String(part.text) : "",
  );
  return texts.join("\n").slice(0, maxAnswerLength);
}
