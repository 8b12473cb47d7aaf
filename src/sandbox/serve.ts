import { mkdirSync, rmSync } from "node:fs";
import { readFile as readWhole } from "node:fs/promises";
import { join } from "node:path";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import * as z from "zod";
import { ToolError } from "../contracts/errors.ts";
import { errorText } from "../lib/error-text.ts";
import { createCommands } from "./command/run.ts";
import { explain } from "./files/jail.ts";
import { listFiles } from "./files/list.ts";
import { readFile } from "./files/read.ts";
import { searchFiles } from "./files/search.ts";
import { saveUpload } from "./files/upload.ts";
import { editFile, writeFile } from "./files/write.ts";
import { listResources, readResource } from "./resources.ts";
import type { ServerSettings } from "./settings.ts";
import { inputs, sandboxSpecs, uploadInput, uploadTool } from "./specs.ts";
import { wholeLines } from "./whole-lines.ts";

/** For the end of all commands; more than the search for them may take. */
const endMs = 5000;

type Handler = (input: unknown, signal: AbortSignal) => string | Promise<string>;

/** Serves until stdin ends. `entry` is the file that this process runs, started again for its threads. */
export async function serve(settings: ServerSettings, entry: string): Promise<void> {
  // So that libuv's threads are there, and outside of the commands' domain, before the first command.
  await readWhole("/dev/null");
  renewTemporary(settings);
  const commands = createCommands(settings, entry);
  let isEnding = false;
  const end = (code: number): void => {
    if (isEnding) return;
    isEnding = true;
    setTimeout(() => process.exit(code), endMs).unref();
    void commands.end().finally(() => process.exit(code));
  };
  process.stdin.once("end", () => end(0)).once("close", () => end(0));
  process.stdout.once("error", () => end(1));
  // `on`, not `once`: the kernel tells of the gateway's end once for each of its threads, and a signal without a
  // handler would end this process amid ending its commands.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => end(0));
  process.on("uncaughtException", (error) => {
    process.stderr.write(`The sandbox failed: ${error.stack ?? error.message}\n`);
    end(1);
  });

  const runs = settings.by !== "none";
  const handlers: Readonly<Record<string, Handler>> = {
    read_file: handle(inputs.read_file, (input) => readFile(settings, input)),
    write_file: handle(inputs.write_file, (input) => writeFile(settings, input)),
    edit_file: handle(inputs.edit_file, (input) => editFile(settings, input)),
    list_files: handle(inputs.list_files, (input) => listFiles(settings, input)),
    search_files: handle(inputs.search_files, (input, signal) =>
      searchFiles(settings, input, entry, commands.isIdle(), signal),
    ),
    [uploadTool]: handle(uploadInput, (input) => saveUpload(settings, input)),
    ...(runs
      ? { run_command: handle(inputs.run_command, (input, signal) => commands.run(input, signal)) }
      : {}),
  };

  const server = new Server(
    { name: "barnacle-sandbox", version: "1" },
    { capabilities: { tools: {}, resources: {} } },
  );
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: sandboxSpecs
      .filter(({ name }) => name in handlers)
      .map(({ name, description, input }) => ({
        name,
        description,
        inputSchema: { ...z.toJSONSchema(input, { io: "input" }), type: "object" as const },
      })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) =>
    answer(async () => {
      const handler = handlers[params.name];
      if (handler === undefined) throw new ToolError(`There is no tool ${params.name}.`);
      return handler(params.arguments ?? {}, signal);
    }, signal),
  );
  server.setRequestHandler(ListResourcesRequestSchema, () => listResources(settings));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) =>
    readResource(settings, params.uri),
  );
  // An upload is a third longer in base64.
  const maxBufferSize = settings.limits.uploadBytes * 1.5 + 1024 * 1024;
  const stdin = process.stdin.pipe(wholeLines(maxBufferSize)).once("error", () => end(1));
  await server.connect(new StdioServerTransport(stdin, process.stdout, { maxBufferSize }));
}

function handle<Schema extends z.ZodObject>(
  schema: Schema,
  run: (input: z.infer<Schema>, signal: AbortSignal) => string | Promise<string>,
): Handler {
  return async (input, signal) => {
    const parsed = schema.safeParse(input);
    if (!parsed.success) throw new ToolError(z.prettifyError(parsed.error));
    return run(parsed.data, signal);
  };
}

async function answer(work: () => Promise<string>, caller: AbortSignal): Promise<CallToolResult> {
  try {
    return { content: [{ type: "text", text: await work() }] };
  } catch (error) {
    const known = explain(error, "that path");
    if (!caller.aborted && !(known instanceof ToolError))
      process.stderr.write(`A tool failed: ${errorText(error)}\n`);
    return { content: [{ type: "text", text: errorText(known) }], isError: true };
  }
}

/** Where commands may leave things until the sandbox is started again. */
function renewTemporary({ home }: ServerSettings): void {
  const folder = join(home, ".tmp");
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    process.stderr.write(`${folder} could not be made anew: ${errorText(error)}\n`);
  }
}
