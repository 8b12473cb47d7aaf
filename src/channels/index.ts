import type { ChannelKind } from "../contracts/kind.ts";
import { discord } from "./discord.ts";
import { slack } from "./slack.ts";
import { telegram } from "./telegram.ts";
import { terminal } from "./terminal.ts";

/** Every chat platform, in the order of the wizard's menu. A new one is a file and a line here. */
export const channelKinds: readonly ChannelKind[] = [telegram, discord, slack, terminal];
