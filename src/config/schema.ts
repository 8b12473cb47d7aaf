import * as z from "zod";
import type { ChannelKind, ProviderKind } from "../contracts/kind.ts";
import type { Effect } from "../contracts/tool.ts";

export interface Kinds {
  readonly channelKinds: readonly ChannelKind[];
  readonly providerKinds: readonly ProviderKind[];
}

/** What every channel has, whatever its kind. */
export const channelKeys = {
  allowed_users: z
    .array(z.union([z.string().min(1), z.int()]))
    .optional()
    .describe(
      'The people who may talk to the bot, by their platform id; "*" admits everyone. Without a list nobody is admitted but the owner and those whom the owner let in.',
    ),
  allow_from: z
    .array(z.union([z.string().min(1), z.int()]))
    .optional()
    .describe("Another name for allowed_users."),
  allowed_chats: z
    .array(
      z.union([
        z.string().min(1),
        z.int(),
        z.strictObject({
          id: z.union([z.string().min(1), z.int()]).describe("The room's id on its platform."),
          members: z
            .enum(["admitted", "all"])
            .default("admitted")
            .describe(
              '"all" admits every member of this room; "admitted" only people who may talk to the bot anyway.',
            ),
        }),
      ]),
    )
    .optional()
    .describe(
      "Narrows the rooms in which the bot answers, by room id. Left out, any room will do.",
    ),
  pairing: z
    .boolean()
    .optional()
    .describe(
      "Whether a stranger in a private chat is announced to the owner, who lets him in or blocks him. On where there is no allowed_users, off where there is one.",
    ),
  group_trigger: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe(
      'A word that addresses the bot in a group, besides mentioning or answering it, such as "@Barnacle".',
    ),
} as const;

const price = z
  .strictObject({
    input: z.number().min(0).describe("For a million input tokens."),
    cached_input: z
      .number()
      .min(0)
      .optional()
      .describe("For a million input tokens read from the provider's cache; as input if left out."),
    output: z.number().min(0).describe("For a million output tokens."),
  })
  .optional()
  .describe(
    "What this model costs in US dollars, for the budget, where the provider does not report it.",
  );

const effects = [
  "reads",
  "writes",
  "runs",
  "fetches",
  "sends",
  "schedules",
  "remembers",
  "installs",
] as const satisfies readonly Effect[];

/** A channel's name: part of folder names and database keys. */
export const channelName = /^[a-z][a-z0-9-]{0,30}$/;

export type ConfigSchema = ReturnType<typeof createConfigSchema>;
export type ConfigInput = z.output<ConfigSchema>;

/**
 * The schema of the config file for these kinds. It describes each key by itself; what holds between keys
 * (an alias and its original, ids against their platform's pattern) is in `check-meaning.ts`, so that both
 * sorts of mistakes are found in one go.
 */
export function createConfigSchema({ channelKinds, providerKinds }: Kinds) {
  const channel = chooseBy("type", channelKinds, (kind) =>
    withOwnSettings(kind, {
      type: z.literal(kind.name).describe("Which chat platform this is."),
      ...channelKeys,
    }),
  );
  const fallback = chooseBy("provider", providerKinds, (kind) =>
    withOwnSettings(kind, {
      provider: z.literal(kind.name).describe("Who runs the model."),
      price,
    }),
  );
  const llm = chooseBy("provider", providerKinds, (kind) =>
    withOwnSettings(kind, {
      provider: z.literal(kind.name).describe("Who runs the model."),
      price,
      fallbacks: z
        .array(fallback)
        .max(10)
        .default([])
        .describe("Models that answer, in this order, when the one above cannot."),
    }),
  );
  return z
    .strictObject({
      $schema: z
        .string()
        .optional()
        .describe("Where an editor finds this schema; not read by Barnacle."),
      llm: llm.optional().describe("The language model that answers."),
      channel: channel
        .optional()
        .describe(
          "The one chat platform, when one is enough: short for channels with an entry named like its type.",
        ),
      channels: z
        .record(z.string(), channel)
        .optional()
        .describe(
          "Chat platforms by a name of your choice: lower-case letters, digits and dashes, at most 31.",
        ),
      owner: z
        .union([owner, z.array(owner).min(1)])
        .optional()
        .describe(
          "Whose bot this is: a person's id on a channel, or a list of them. Left out, it is the only id of the only allowed_users, else whoever sends the one-time ownership code first.",
        ),
      agent: agent.prefault({}).describe("How the assistant works."),
      tools: tools.prefault({}).describe("Settings of single tools."),
      sandbox: sandbox
        .prefault({})
        .describe("The walled-in room that has the workspace and runs commands."),
      policy: z
        .strictObject(
          Object.fromEntries(effects.map((effect) => [effect, decision(effect)])) as Record<
            Effect,
            ReturnType<typeof decision>
          >,
        )
        .prefault({})
        .describe("What tools may do, by their effect. Left out, the built-in policy decides."),
      budget: budget.prefault({}).describe("What may be spent. Left out, there is no limit."),
      health: z
        .strictObject({
          host: z
            .union([z.ipv4(), z.ipv6()])
            .default("127.0.0.1")
            .describe("The address to listen on; keep it on loopback, for there is no password."),
          port: z.int().min(1).max(65535).describe("The port to listen on."),
        })
        .optional()
        .describe("Answers GET /health and /ready over HTTP. Left out, no port is open."),
      log: z
        .strictObject({
          level: z
            .enum(["debug", "info", "warn", "error", "silent"])
            .default("info")
            .describe("The least important level that is written."),
        })
        .prefault({})
        .describe("The log on standard error, one JSON object a line."),
    })
    .describe("The configuration of Barnacle.");
}

/** The file's JSON Schema, for editors and for `barnacle config schema`. */
export function configJsonSchema(kinds: Kinds): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(createConfigSchema(kinds), {
    io: "input",
    reused: "ref",
  });
  return {
    $schema,
    $id: "config.schema.json",
    title: "Barnacle configuration",
    required: ["llm"],
    ...rest,
  };
}

const owner = z.strictObject({
  channel: z.string().min(1).describe("The name of a configured channel."),
  id: z.union([z.string().min(1), z.int()]).describe("The person's id on that platform."),
});

const agent = z.strictObject({
  name: z.string().min(1).max(64).default("Barnacle").describe("What the assistant calls itself."),
  max_steps: z.int().min(1).max(1000).default(25).describe("Model calls in one turn, at most."),
  max_minutes: z
    .number()
    .positive()
    .max(1440)
    .default(10)
    .describe("Minutes for one turn, at most."),
  max_turn_tokens: z
    .int()
    .min(1000)
    .optional()
    .describe("Tokens for one turn, input and output together, at most."),
  parallel_turns: z
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe(
      "Conversations that are answered at the same time, at most; one of them is kept for the owner.",
    ),
});

const tools = z.strictObject({
  fetch_url: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe("Whether the assistant may read public web pages."),
      max_bytes: z
        .int()
        .min(1024)
        .max(20_000_000)
        .default(2_000_000)
        .describe("Bytes of a page that are read, after decompression, at most."),
      timeout_seconds: z
        .number()
        .positive()
        .max(300)
        .default(30)
        .describe("Seconds for one page, redirects included, at most."),
    })
    .prefault({})
    .describe("Reading a public web page. Private and local addresses are always refused."),
});

const sandbox = z.strictObject({
  confine: z
    .enum(["auto", "landlock", "bubblewrap", "none"])
    .default("auto")
    .describe(
      'How commands are walled in: "auto" takes the best that this machine has. With "none" no command is run at all.',
    ),
  idle_seconds: z
    .number()
    .positive()
    .max(86_400)
    .default(60)
    .describe("Seconds without work after which a space's process is stopped."),
  command_timeout_seconds: z
    .number()
    .positive()
    .max(3600)
    .default(120)
    .describe("Seconds for one command, at most."),
  memory_mb: z
    .int()
    .min(64)
    .max(65_536)
    .default(1024)
    .describe("Megabytes of memory for one command, at most."),
  disk_mb: z
    .int()
    .min(1)
    .max(1_048_576)
    .default(1024)
    .describe("Megabytes of disk that one command may fill, at most."),
});

const spending = z.strictObject({
  usd: z.number().positive().optional().describe("US dollars, at most."),
  tokens: z.int().positive().optional().describe("Tokens, input and output together, at most."),
});

const budget = z.strictObject({
  per_day: spending.prefault({}).describe("For all conversations together, each day."),
  per_chat_per_day: spending.prefault({}).describe("For each conversation alone, each day."),
});

const effectWords: Record<Effect, string> = {
  reads: "look at files of the workspace",
  writes: "change files of the workspace",
  runs: "run commands in the sandbox",
  fetches: "read public web pages",
  sends: "send messages elsewhere",
  schedules: "act later on a schedule",
  remembers: "keep facts for later conversations",
  installs: "add skills or servers",
};

function decision(effect: Effect) {
  return z.enum(["allow", "refuse"]).optional().describe(`Tools that ${effectWords[effect]}.`);
}

type NamedKind = ChannelKind | ProviderKind;

/** A kind's own settings and the common keys in one strict object. */
function withOwnSettings(
  kind: NamedKind,
  common: Readonly<Record<string, z.ZodType>>,
): z.ZodObject {
  const clash = Object.keys(common).find((key) => key in kind.settings.shape);
  if (clash !== undefined)
    throw new Error(`The kind ${kind.name} redefines the common key ${clash}.`);
  return kind.settings.safeExtend(common).strict();
}

function chooseBy(
  key: string,
  kinds: readonly NamedKind[],
  settingsOf: (kind: NamedKind) => z.ZodObject,
): z.ZodDiscriminatedUnion<[z.ZodObject, ...z.ZodObject[]]> {
  const [first, ...rest] = kinds.map(settingsOf);
  if (first === undefined) throw new Error(`No kinds were given to choose from by "${key}".`);
  return z.discriminatedUnion(key, [first, ...rest]);
}
