import { ModelError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address } from "../contracts/message.ts";
import type { ChatModel } from "../contracts/model.ts";
import type { Settings } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";
import { createModelChain } from "./model-chain.ts";
import type { Models } from "./asking.ts";

export interface ConfiguredModels {
  /** The default first. */
  readonly ids: readonly string[];
  /** The models of one conversation: the one chosen there by `/model`, then the others as fallbacks. */
  readonly forAddress: (at: Address) => Models;
}

export function createModels(options: {
  readonly models: readonly ChatModel[];
  readonly settings: Settings;
  readonly now: () => number;
  readonly log: Logger;
}): ConfiguredModels {
  const { models, settings, now, log } = options;
  const chains = new Map<string, Models>();
  return {
    ids: models.map(({ id }) => id),
    forAddress(at) {
      const chosen = settings.get(addressKey(at), "model");
      const first = models.find(({ id }) => id === chosen) ?? models[0];
      if (first === undefined) return noModel;
      let chain = chains.get(first.id);
      if (chain === undefined) {
        const others = models.filter((model) => model !== first);
        chain = asModels(createModelChain({ models: [first, ...others], now, log }));
        chains.set(first.id, chain);
      }
      return chain;
    },
  };
}

function asModels(chain: ReturnType<typeof createModelChain>): Models {
  const { id, contextWindow, maxOutputTokens } = chain.first;
  return {
    id,
    fallbackIds: chain.models.slice(1).map((model) => model.id),
    contextWindow,
    maxOutputTokens,
    async ask(request, signal) {
      for await (const event of chain.stream(request, signal)) {
        if (event.type !== "done") continue;
        const { turn, stop, usage, model, fallback } = event;
        return { turn, stop, usage, model, note: fallback?.sentence };
      }
      throw new ModelError(`${id} gave no answer.`, { kind: "unavailable" });
    },
  };
}

/** With `--allow-empty`. */
const noModel: Models = {
  id: "none",
  fallbackIds: [],
  contextWindow: 100_000,
  maxOutputTokens: 1000,
  async ask() {
    throw new ModelError("No model is configured.", { kind: "unauthorized" });
  },
};
