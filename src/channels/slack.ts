import * as z from "zod";
import { ChannelError } from "../contracts/errors.ts";
import type { ChannelKind } from "../contracts/kind.ts";
import { secret } from "../lib/secret.ts";

const settings = z.strictObject({
  bot_token: secret.describe("The bot token of the Slack app: xoxb-..."),
  app_token: secret.describe("The app-level token for Socket Mode: xapp-..."),
  api_url: z
    .url({ protocol: /^https?$/ })
    .default("https://slack.com/api/")
    .describe("Slack's Web API address, if you go through a gateway of your own."),
});

/** Its settings are known, so that a config for it is read; the channel itself comes with a later version. */
export const slack: ChannelKind<typeof settings> = {
  name: "slack",
  settings,
  questions: [
    {
      key: "bot_token",
      ask: "Bot token (xoxb-...)",
      help: "api.slack.com/apps, your app, OAuth & Permissions.",
      secret: true,
    },
    {
      key: "app_token",
      ask: "App-level token (xapp-...)",
      help: "Basic Information, App-Level Tokens, with the scope connections:write.",
      secret: true,
    },
  ],
  userId: { pattern: /^[UW][A-Z0-9]{6,20}$/, example: "U012AB3CD" },
  hosts: ({ api_url }) => [
    new URL(api_url).hostname,
    "wss-primary.slack.com",
    "wss-backup.slack.com",
    "files.slack.com",
  ],
  async open() {
    throw new ChannelError(
      'Slack is not built yet in this version. Take the channel out of the config, or set its type to "telegram".',
      { kind: "rejected", fate: "not-sent" },
    );
  },
};
