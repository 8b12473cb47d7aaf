import * as z from "zod";
import { ChannelError } from "../contracts/errors.ts";
import type { ChannelKind } from "../contracts/kind.ts";
import { secret } from "../lib/secret.ts";

const settings = z.strictObject({
  token: secret.describe("The bot's token, from the Discord developer portal."),
  rest_api: z
    .url({ protocol: /^https?$/ })
    .transform((url) => url.replace(/\/+$/, ""))
    .default("https://discord.com/api")
    .describe("Discord's REST address, if you go through a gateway of your own."),
});

/** Its settings are known, so that a config for it is read; the channel itself comes with a later version. */
export const discord: ChannelKind<typeof settings> = {
  name: "discord",
  settings,
  questions: [
    {
      key: "token",
      ask: "Bot token",
      help: "discord.com/developers/applications, your application, Bot, Reset Token.",
      secret: true,
    },
  ],
  userId: { pattern: /^[1-9]\d{16,19}$/, example: "123456789012345678" },
  hosts: ({ rest_api }) => [
    new URL(rest_api).hostname,
    "gateway.discord.gg",
    "cdn.discordapp.com",
    "media.discordapp.net",
  ],
  async open() {
    throw new ChannelError(
      'Discord is not built yet in this version. Take the channel out of the config, or set its type to "telegram".',
      { kind: "rejected", fate: "not-sent" },
    );
  },
};
