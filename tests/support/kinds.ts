import { z } from "zod";
import type { ChannelKind, ProviderKind } from "../../src/contracts/kind.ts";
import { secret } from "../../src/lib/secret.ts";

/** Kinds with the settings of real ones that open nothing: what the config needs to know of a kind. */
const opensNothing = async (): Promise<never> => {
  throw new Error("This kind is for reading configuration only.");
};

const baseUrl = z.url({ protocol: /^https?$/ });

const telegramLike = {
  name: "telegram",
  settings: z.object({
    token: secret.describe("The bot's token, from @BotFather."),
    api_root: baseUrl
      .default("https://api.telegram.org")
      .describe("Where the Bot API answers; set it for a self-hosted server."),
  }),
  questions: [{ key: "token", ask: "The bot's token", secret: true }],
  userId: { pattern: /^[1-9]\d{0,15}$/, example: "123456789" },
  hosts: (settings) => [new URL(settings.api_root).hostname],
  open: opensNothing,
} satisfies ChannelKind<z.ZodObject<{ token: typeof secret; api_root: z.ZodDefault<z.ZodURL> }>>;

const discordLike = {
  name: "discord",
  settings: z.object({
    token: secret.describe("The bot's token, from the developer portal."),
    rest_api: baseUrl.optional().describe("Where the REST API answers."),
  }),
  questions: [{ key: "token", ask: "The bot's token", secret: true }],
  userId: { pattern: /^\d{17,20}$/, example: "80351110224678912" },
  hosts: () => ["discord.com"],
  open: opensNothing,
} satisfies ChannelKind;

const slackLike = {
  name: "slack",
  settings: z.object({
    bot_token: secret.describe("The bot's token (xoxb-...)."),
    app_token: secret.describe("The app-level token (xapp-...)."),
    api_url: baseUrl.optional().describe("Where the Web API answers."),
  }),
  questions: [
    { key: "bot_token", ask: "The bot's token", secret: true },
    { key: "app_token", ask: "The app-level token", secret: true },
  ],
  userId: { pattern: /^[UW][A-Z0-9]{6,}$/, example: "U024BE7LH" },
  hosts: () => ["slack.com"],
  open: opensNothing,
} satisfies ChannelKind;

function providerLike(name: string, root: string): ProviderKind {
  return {
    name,
    settings: z.object({
      api_key: secret.describe(`The key, from ${name}.`),
      model: z.string().min(1).describe("The model's name, as the provider spells it."),
      base_url: baseUrl.default(root).describe("Where the API answers."),
      max_output_tokens: z.int().min(1).optional().describe("Tokens of one answer, at most."),
    }),
    questions: [{ key: "api_key", ask: "The key", secret: true }],
    hosts: (settings) => [new URL(String(settings["base_url"])).hostname],
    open: opensNothing,
  };
}

export const kinds = {
  channelKinds: [telegramLike, discordLike, slackLike] as readonly ChannelKind[],
  providerKinds: [
    providerLike("openrouter", "https://openrouter.ai/api/v1"),
    providerLike("anthropic", "https://api.anthropic.com"),
    providerLike("openai", "https://api.openai.com/v1"),
  ],
};
