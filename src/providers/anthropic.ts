import type { Anthropic } from "@anthropic-ai/sdk";
import * as z from "zod";
import { ModelError } from "../contracts/errors.ts";
import type { ProviderKind } from "../contracts/kind.ts";
import type { ChatModel, ModelEvent, ModelRequest } from "../contracts/model.ts";
import { anthropicBody } from "./anthropic-request.ts";
import { readAnthropic } from "./anthropic-stream.ts";
import { checkModel } from "./check-model.ts";
import { modelFailure } from "./failure.ts";
import type { Platform } from "./failure.ts";
import { knownLimits } from "./known-models.ts";
import {
  hostOf,
  modelSettings,
  plainHeaders,
  requiredKey,
  secretValues,
  thinkingSetting,
} from "./settings.ts";
import { readEvents } from "./sse.ts";
import { estimateUsage } from "./usage.ts";

const settings = z.strictObject({
  api_key: requiredKey,
  ...modelSettings({ baseUrl: "https://api.anthropic.com", model: "claude-sonnet-4-5" }),
  thinking: thinkingSetting,
});

/** The version that the SDK speaks. */
const apiVersion = "2026-10-21";

type Settings = z.infer<typeof settings>;

/** Claude, by Anthropic's Messages API, or a server that speaks it. */
export const anthropic: ProviderKind<typeof settings> = {
  name: "anthropic",
  settings,
  questions: [
    {
      key: "api_key",
      ask: "Your Anthropic API key",
      help: "Made at https://console.anthropic.com under API keys; it starts with sk-ant-.",
      secret: true,
    },
    { key: "model", ask: "Which model", help: "For example claude-sonnet-4-5." },
  ],
  hosts: ({ base_url }) => [hostOf(base_url)],
  check: async (given, signal) =>
    await checkModel({
      platform: platformOf(given),
      listUrl: `${rootOf(given)}/v1/models?limit=1000`,
      modelUrl: `${rootOf(given)}/v1/models/${encodeURIComponent(given.model)}`,
      headers: {
        Authorization: `Bearer ${given.api_key.reveal()}`,
        "anthropic-version": apiVersion,
        ...headersOf(given),
      },
      listsAll: false,
      signal,
    }),
  open: async (given) => await Promise.resolve(createModel(given)),
};

function createModel(given: Settings): ChatModel {
  const id = `anthropic/${given.model}`;
  const known = knownLimits(given.model, 200_000);
  const maxOutputTokens = given.max_output_tokens ?? known.maxOutputTokens;
  const options = { id, model: given.model, maxOutputTokens, thinking: given.thinking };
  let client: Anthropic | undefined;

  async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const platform = platformOf(given);
    try {
      client ??= await connect(given);
      const body = anthropicBody(request, options);
      // `messages.create` would print warnings about some models to the console.
      const response = await client
        .post("/v1/messages", { body, stream: true, signal })
        .asResponse();
      if (response.body === null)
        throw new ModelError(`${platform.name} sent no answer.`, { kind: "unavailable" });
      const answer = yield* readAnthropic(readEvents(response.body, signal), id, platform);
      const usage = answer.usage ?? estimateUsage(request, answer.turn);
      yield { type: "done", turn: answer.turn, stop: answer.stop, usage };
    } catch (error) {
      signal.throwIfAborted();
      throw modelFailure(error, platform);
    }
  }

  return {
    id,
    contextWindow: given.context_window ?? known.contextWindow,
    maxOutputTokens,
    stream,
  };
}

async function connect(given: Settings): Promise<Anthropic> {
  const { Anthropic } = await import("@anthropic-ai/sdk");
  return new Anthropic({
    apiKey: given.api_key.reveal(),
    baseURL: rootOf(given),
    defaultHeaders: headersOf(given),
    maxRetries: 0, // retries and fallbacks are decided in one place, the model chain
    timeout: 15 * 60_000, // the chain ends a silent call far earlier
    logLevel: "off",
  });
}

/** Anthropic takes the key as the client sends it, as a bearer; many servers that speak its API know only `x-api-key`. */
function headersOf(given: Settings): Record<string, string> {
  const isOwn = /(^|\.)anthropic\.com$/.test(hostOf(given.base_url));
  return { ...(isOwn ? {} : { "x-api-key": given.api_key.reveal() }), ...plainHeaders(given) };
}

function platformOf(given: Settings): Platform {
  return {
    name: "Anthropic",
    baseUrl: given.base_url,
    model: given.model,
    secrets: secretValues(given),
  };
}

/** The client adds /v1 itself. */
function rootOf({ base_url }: Settings): string {
  return base_url.replace(/\/+$/, "").replace(/\/v1$/, "");
}
