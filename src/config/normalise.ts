import * as z from "zod";
import type {
  AccessConfig,
  ChannelConfig,
  Config,
  ModelConfig,
  Owner,
  Price,
  Spending,
} from "./config.ts";
import { channelKeys } from "./schema.ts";
import type { ConfigInput } from "./schema.ts";

/** From the keys of the file to what the parts take: aliases merged, short forms expanded, units converted. */
export function normalise(input: ConfigInput): Config {
  const channels = Object.entries({
    ...(input.channel === undefined ? {} : { [String(input.channel["type"])]: input.channel }),
    ...input.channels,
  }).map(([name, settings]) => channelConfig(name, settings));
  const { agent, sandbox, tools, budget } = input;
  return {
    models: input.llm === undefined ? [] : modelConfigs(input.llm),
    channels,
    owners: ownersOf(input, channels),
    agent: {
      name: agent.name,
      maxSteps: agent.max_steps,
      maxTurnMs: agent.max_minutes * 60_000,
      maxTurnTokens: agent.max_turn_tokens,
      parallelTurns: agent.parallel_turns,
    },
    tools: {
      fetchUrl: {
        enabled: tools.fetch_url.enabled,
        maxBytes: tools.fetch_url.max_bytes,
        timeoutMs: tools.fetch_url.timeout_seconds * 1000,
      },
    },
    sandbox: {
      confine: sandbox.confine,
      idleMs: sandbox.idle_seconds * 1000,
      commandTimeoutMs: sandbox.command_timeout_seconds * 1000,
      commandMemoryBytes: sandbox.memory_mb * 1024 * 1024,
      commandDiskBytes: sandbox.disk_mb * 1024 * 1024,
    },
    policy: Object.fromEntries(
      Object.entries(input.policy).filter(([, decision]) => decision !== undefined),
    ) as Config["policy"],
    budget: { perDay: spending(budget.per_day), perChatPerDay: spending(budget.per_chat_per_day) },
    health: input.health,
    log: { level: input.log.level },
  };
}

function modelConfigs(llm: Readonly<Record<string, unknown>>): ModelConfig[] {
  const { fallbacks, ...main } = llm;
  return [main, ...(fallbacks as readonly Record<string, unknown>[])].map(modelConfig);
}

function modelConfig(entry: Readonly<Record<string, unknown>>): ModelConfig {
  const { provider, price, ...settings } = entry;
  return {
    provider: String(provider),
    settings,
    price: price === undefined ? undefined : priceOf(price as PriceInput),
  };
}

interface PriceInput {
  readonly input: number;
  readonly cached_input?: number | undefined;
  readonly output: number;
}

function priceOf({ input, cached_input, output }: PriceInput): Price {
  return { inputUsd: input, cachedInputUsd: cached_input ?? input, outputUsd: output };
}

type ChannelKeys = z.output<z.ZodObject<typeof channelKeys>>;

function channelConfig(name: string, entry: Readonly<Record<string, unknown>>): ChannelConfig {
  const settings = Object.fromEntries(
    Object.entries(entry).filter(([key]) => key !== "type" && !(key in channelKeys)),
  );
  return { name, kind: String(entry["type"]), settings, access: accessOf(entry) };
}

function accessOf(keys: ChannelKeys): AccessConfig {
  const list = keys.allowed_users ?? keys.allow_from;
  return {
    allowedUsers: list?.includes("*") ? "everyone" : [...new Set((list ?? []).map(String))],
    allowedChats: keys.allowed_chats?.map((entry) =>
      typeof entry === "object"
        ? { id: String(entry.id), members: entry.members }
        : { id: String(entry), members: "admitted" as const },
    ),
    pairing: keys.pairing ?? list === undefined,
    groupTrigger: keys.group_trigger,
  };
}

/** The owner of the file, else the only id of the only allowlist. Nobody otherwise: the ownership code decides. */
function ownersOf({ owner }: ConfigInput, channels: readonly ChannelConfig[]): Owner[] {
  if (owner !== undefined) {
    return [owner].flat().map(({ channel, id }) => ({ channel, id: String(id) }));
  }
  const lists = channels.filter(
    ({ access }) => access.allowedUsers === "everyone" || access.allowedUsers.length > 0,
  );
  const [only] = lists;
  if (lists.length !== 1 || only === undefined || only.access.allowedUsers === "everyone")
    return [];
  const [id, ...others] = only.access.allowedUsers;
  return id === undefined || others.length > 0 ? [] : [{ channel: only.name, id }];
}

function spending(given: { usd?: number | undefined; tokens?: number | undefined }): Spending {
  return { usd: given.usd, tokens: given.tokens };
}
