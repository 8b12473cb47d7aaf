import { createHash } from "node:crypto";
import * as z from "zod";
import type { ProviderKind } from "../contracts/kind.ts";
import type {
  AssistantTurn,
  ChatModel,
  Content,
  ModelEvent,
  ModelRequest,
  ToolTurn,
  Turn,
} from "../contracts/model.ts";
import { phrases, understand } from "./offline-phrases.ts";
import { optionalKey } from "./settings.ts";
import { estimateUsage } from "./usage.ts";

const settings = z.strictObject({
  model: z
    .string()
    .trim()
    .min(1)
    .default("offline")
    .describe("A name of your choice; there is only one offline model."),
  api_key: optionalKey.describe("Not used: the offline model needs no key."),
});

/** No LLM at all: it knows a few plain requests and makes real tool calls for them. For trying out, demos and tests. */
export const offline: ProviderKind<typeof settings> = {
  name: "offline",
  settings,
  questions: [],
  hosts: () => [],
  check: async () =>
    await Promise.resolve("The built-in offline model is always there; it is no LLM."),
  open: async (given) => await Promise.resolve(createModel(given.model)),
};

const contextWindow = 128_000;
const maxOutputTokens = 4096;

function createModel(model: string): ChatModel {
  return { id: `offline/${model}`, contextWindow, maxOutputTokens, stream };
}

async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
  await Promise.resolve();
  signal.throwIfAborted();
  const turn = answer(request);
  for (const delta of turn.text.match(/[^]{1,400}/g) ?? []) yield { type: "text", delta };
  signal.throwIfAborted();
  const stop = turn.calls.length > 0 ? "tool-calls" : "answered";
  yield { type: "done", turn, stop, usage: { ...estimateUsage(request, turn), costUsd: 0 } };
}

function answer(request: ModelRequest): AssistantTurn {
  const results = resultsAtEnd(request.turns);
  if (results.length > 0)
    return say(results.map((result) => report(result, request.turns)).join("\n\n"));
  const last = request.turns.findLast(({ role }) => role === "user");
  const words = last?.role === "user" ? requestOf(last.content) : "";
  if (isGreeting(words)) return say(introduction(request));
  const understood = understand(words);
  if (understood === undefined) return say(`${notUnderstood} ${offer(request)}`);
  const { phrase, input } = understood;
  if (!request.tools.some(({ name }) => name === phrase.tool)) {
    return say(
      `I understood that you want me to use \`${phrase.tool}\`, but this tool is not available here, so nothing was done.`,
    );
  }
  const calls = [{ id: callId(request, phrase.tool), name: phrase.tool, input }];
  return { role: "assistant", text: "", calls };
}

const notUnderstood =
  "I did not understand that: I am the built-in offline model, no LLM, and know only a few plain requests.";

const greeting =
  "Hello! I am the built-in offline model, no LLM: I follow a few plain requests, so that you can try everything around me.";

function introduction(request: ModelRequest): string {
  return `${greeting} ${offer(request)}`;
}

function offer({ tools }: ModelRequest): string {
  const known = phrases.filter((phrase) => tools.some(({ name }) => name === phrase.tool));
  const how =
    "For real answers, start again with ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENROUTER_API_KEY set, or set `llm` in the config.";
  if (known.length === 0) return `There are no tools here, so I can only say hello. ${how}`;
  const list = known.map(({ example }) => `- \`${example}\``).join("\n");
  return `Try one of these:\n\n${list}\n\n${how}`;
}

function isGreeting(words: string): boolean {
  return /^(?:(?:hello|hi|hey|good (?:morning|evening|day)|help|\?|what can you do|who are you)(?: there)?)?[\s.!?]*$/i.test(
    words,
  );
}

/** What was said, without the line that the prompt puts above: "[2026-11-21 14:00 UTC, Ann]". */
function requestOf(content: readonly Content[]): string {
  return textOf(content)
    .replace(/^\s*\[[^\]\n]*\][^\S\n]*(?:\n|$)/, "")
    .trim();
}

/** The results that nobody has answered yet. */
function resultsAtEnd(turns: readonly Turn[]): readonly ToolTurn[] {
  const from = turns.findLastIndex(({ role }) => role !== "tool") + 1;
  return turns.slice(from).filter((turn) => turn.role === "tool");
}

const maxReportChars = 3000;

function report({ callId: id, content, failed }: ToolTurn, turns: readonly Turn[]): string {
  const call = turns
    .flatMap((turn) => (turn.role === "assistant" ? turn.calls : []))
    .findLast((known) => known.id === id);
  const name = call === undefined ? "the tool" : `\`${call.name}\``;
  const text = textOf(content).trim();
  if (failed) return `That did not work; ${name} says: ${shortened(text)}`;
  if (text === "") return `Done: ${name} finished without any output.`;
  if (/\[exit code [1-9]\d*\]$/.test(text)) {
    return `${name} ended with an error:\n\n${fenced(shortened(text))}`;
  }
  return text.includes("\n")
    ? `This is what ${name} answered:\n\n${fenced(shortened(text))}`
    : `Done, ${name} answered: ${shortened(text)}`;
}

/** A fence longer than any within. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

function shortened(text: string): string {
  if (text.length <= maxReportChars) return text;
  return `${text.slice(0, maxReportChars)}\n[the first ${maxReportChars} of ${text.length} characters]`;
}

function textOf(content: readonly Content[]): string {
  return content.map((part) => (part.type === "text" ? part.text : "(an image)")).join("\n");
}

function say(text: string): AssistantTurn {
  return { role: "assistant", text, calls: [] };
}

/** The same request has the same id, and no two calls of a conversation share one. */
function callId({ turns }: ModelRequest, tool: string): string {
  const shape = turns.map((turn) => (turn.role === "tool" ? turn.callId : JSON.stringify(turn)));
  const hash = createHash("sha256").update(`${tool}\n${shape.join("\n")}`);
  return `offline_${hash.digest("hex").slice(0, 24)}`;
}
