import type { ProviderKind } from "../../src/contracts/kind.ts";
import type { Logger } from "../../src/contracts/logger.ts";
import type { ChatModel, ModelEvent, ModelRequest } from "../../src/contracts/model.ts";
import { Secret } from "../../src/lib/secret.ts";
import { providerKinds } from "../../src/providers/index.ts";

export const quietLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLog,
};

export function kindNamed(name: string): ProviderKind {
  const kind = providerKinds.find((known) => known.name === name);
  if (kind === undefined) throw new Error(`There is no provider ${name}.`);
  return kind;
}

/** Parsed settings with every secret resolved to itself, as the config loader leaves them for literals. */
export function settingsOf(name: string, given: Record<string, unknown>): Record<string, unknown> {
  const parsed = kindNamed(name).settings.parse(given);
  resolveSecrets(parsed);
  return parsed;
}

function resolveSecrets(value: unknown): void {
  if (value instanceof Secret) value.resolve(value.reference);
  else if (typeof value === "object" && value !== null)
    Object.values(value).forEach(resolveSecrets);
}

export async function openModel(name: string, given: Record<string, unknown>): Promise<ChatModel> {
  return await kindNamed(name).open(settingsOf(name, given), quietLog);
}

export function request(given: Partial<ModelRequest> = {}): ModelRequest {
  const turns = [{ role: "user", content: [{ type: "text", text: "hello" }] }] as const;
  return { system: "Be brief.", turns, tools: [], maxOutputTokens: 1000, ...given };
}

export const readFileTool = {
  name: "read_file",
  description: "Reads a file.",
  inputSchema: {
    type: "object",
    properties: { path: { type: "string" } },
    required: ["path"],
  },
} as const;

export interface Collected {
  readonly text: string;
  readonly thinking: string;
  readonly done: Extract<ModelEvent, { type: "done" }>;
}

/** Reads a stream to its end, which must be exactly one `done`. */
export async function collect(
  model: ChatModel,
  given: ModelRequest = request(),
  signal: AbortSignal = AbortSignal.timeout(20_000),
): Promise<Collected> {
  let text = "";
  let thinking = "";
  let done: Collected["done"] | undefined;
  for await (const event of model.stream(given, signal)) {
    if (done !== undefined) throw new Error("An event came after done.");
    if (event.type === "text") text += event.delta;
    if (event.type === "thinking") thinking += event.delta;
    if (event.type === "done") done = event;
  }
  if (done === undefined) throw new Error("The stream ended without done.");
  return { text, thinking, done };
}
