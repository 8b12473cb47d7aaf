import type { OpenAI } from "openai";
import * as z from "zod";
import { ModelError } from "../contracts/errors.ts";
import type { ProviderKind } from "../contracts/kind.ts";
import type { Logger } from "../contracts/logger.ts";
import type { ChatModel, ModelEvent, ModelRequest } from "../contracts/model.ts";
import { checkModel } from "./check-model.ts";
import { modelFailure } from "./failure.ts";
import type { Platform } from "./failure.ts";
import { knownLimits } from "./known-models.ts";
import { flavours } from "./openai-flavours.ts";
import type { Flavour } from "./openai-flavours.ts";
import { adaptTo, openaiBody } from "./openai-request.ts";
import { readOpenai } from "./openai-stream.ts";
import { readText } from "./read-text.ts";
import {
  hostOf,
  modelSettings,
  optionalKey,
  plainHeaders,
  requiredKey,
  secretValues,
  thinkingSetting,
} from "./settings.ts";
import type { RemoteSettings } from "./settings.ts";
import { readEvents } from "./sse.ts";
import type { StreamEvent } from "./sse.ts";
import { estimateUsage } from "./usage.ts";

/** OpenAI, and every server that speaks its Chat Completions: one kind each, with defaults and habits of its own. */
export const openaiKinds: readonly ProviderKind[] = flavours.map(kindOf);

function kindOf(flavour: Flavour): ProviderKind {
  const settings = z.strictObject({
    api_key: flavour.needsKey ? requiredKey : optionalKey,
    ...modelSettings({ baseUrl: flavour.baseUrl, model: flavour.exampleModel }),
    thinking: thinkingSetting,
  });
  const keyQuestion = {
    key: "api_key",
    ask: `Your ${flavour.title} API key`,
    help: flavour.keyHelp,
    secret: true,
  };
  const urlQuestion = {
    key: "base_url",
    ask: `The address of your ${flavour.title} server`,
    help: `For example ${flavour.baseUrl}.`,
  };
  const kind: ProviderKind<typeof settings> = {
    name: flavour.name,
    settings,
    questions: [
      flavour.needsKey ? keyQuestion : urlQuestion,
      { key: "model", ask: "Which model", help: `For example ${flavour.exampleModel}.` },
    ],
    hosts: ({ base_url }) => [hostOf(base_url)],
    check: async (given, signal) => {
      const base = baseOf(given, flavour);
      return await checkModel({
        platform: platformOf(given, flavour),
        listUrl: `${base}/models`,
        keyUrl: flavour.keyPage === undefined ? undefined : `${base}${flavour.keyPage}`,
        headers: { ...authorization(given), ...plainHeaders(given) },
        listsAll: flavour.listsAll(given),
        signal,
      });
    },
    open: async (given, log) => await Promise.resolve(createModel(given, flavour, log)),
  };
  return kind;
}

/** How often one call may be sent again without a parameter that the server refused. */
const maxAdaptions = 4;

function createModel(given: RemoteSettings, flavour: Flavour, log: Logger): ChatModel {
  const id = `${flavour.name}/${given.model}`;
  const known = flavour.windowIsKnown
    ? knownLimits(given.model, flavour.unknownWindow)
    : knownLimits("", flavour.unknownWindow);
  const contextWindow = given.context_window ?? known.contextWindow;
  const maxOutputTokens =
    given.max_output_tokens ?? Math.min(known.maxOutputTokens, Math.floor(contextWindow / 4));
  const platform = platformOf(given, flavour);
  /** Found out once, remembered for all later calls. */
  const refused = new Set<string>();
  let client: OpenAI | undefined;

  async function send(request: ModelRequest, signal: AbortSignal): Promise<Response> {
    client ??= await connect(given, flavour);
    for (let adaptions = 0; ; adaptions += 1) {
      const body = openaiBody(request, { id, settings: given, flavour, maxOutputTokens, refused });
      try {
        return await client.post("/chat/completions", { body, stream: true, signal }).asResponse();
      } catch (error) {
        const parameter = isBadRequest(error) ? adaptTo(error.message, body) : undefined;
        if (parameter === undefined || adaptions >= maxAdaptions) throw error;
        refused.add(parameter);
        log.info({ model: id, parameter }, "the server refuses a parameter, leaving it out");
      }
    }
  }

  async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    try {
      const events = eventsOf(await send(request, signal), signal);
      const answer = yield* readOpenai(events, id, platform, idsIn(request));
      const usage = answer.usage ?? estimateUsage(request, answer.turn);
      yield { type: "done", turn: answer.turn, stop: answer.stop, usage };
    } catch (error) {
      signal.throwIfAborted();
      throw modelFailure(error, platform);
    }
  }

  return { id, contextWindow, maxOutputTokens, stream };
}

async function connect(given: RemoteSettings, flavour: Flavour): Promise<OpenAI> {
  const { OpenAI } = await import("openai");
  return new OpenAI({
    // The SDK insists on a key; where there is none, its header is left out.
    apiKey: given.api_key?.reveal() ?? "none",
    baseURL: baseOf(given, flavour),
    defaultHeaders: {
      ...flavour.headers,
      ...(given.api_key === undefined ? { Authorization: null } : {}),
      ...plainHeaders(given),
    },
    organization: null,
    project: null,
    maxRetries: 0, // retries and fallbacks are decided in one place, the model chain
    timeout: 15 * 60_000, // the chain ends a silent call far earlier
    logLevel: "off",
  });
}

/** The answer's events; a server that ignores `stream` and sends one JSON is taken as a stream of one event. */
async function* eventsOf(response: Response, signal: AbortSignal): AsyncGenerator<StreamEvent> {
  if (response.body === null) {
    throw new ModelError("The model's server sent no answer.", { kind: "unavailable" });
  }
  if (response.headers.get("content-type")?.includes("application/json") === true) {
    yield { type: "event", name: "", data: await readText(response) };
    yield { type: "event", name: "", data: "[DONE]" };
    return;
  }
  yield* readEvents(response.body, signal);
}

function isBadRequest(error: unknown): error is Error {
  const status =
    error instanceof Error ? (error as { readonly status?: unknown }).status : undefined;
  return status === 400 || status === 422;
}

function idsIn({ turns }: ModelRequest): (id: string) => boolean {
  const ids = new Set(
    turns.flatMap((turn) => (turn.role === "assistant" ? turn.calls.map((call) => call.id) : [])),
  );
  return (id) => ids.has(id);
}

function authorization({ api_key }: RemoteSettings): Record<string, string> {
  return api_key === undefined ? {} : { Authorization: `Bearer ${api_key.reveal()}` };
}

function platformOf(given: RemoteSettings, { title }: Flavour): Platform {
  return {
    name: title,
    baseUrl: given.base_url,
    model: given.model,
    secrets: secretValues(given),
  };
}

/** Ollama's address is usually written without the path (OLLAMA_HOST); the others' as their SDKs take it. */
function baseOf({ base_url }: RemoteSettings, { name }: Flavour): string {
  const base = base_url.replace(/\/+$/, "");
  return name === "ollama" && new URL(base).pathname === "/" ? `${base}/v1` : base;
}
