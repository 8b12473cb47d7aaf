import { createHash } from "node:crypto";
import type { InboundMessage } from "../contracts/message.ts";

/** The owner's private chats, on every platform. */
export const mainSpace = "main";

/** The part of the workspace that a conversation sees: one for each group and each other person's private chat. */
export function spaceOf(message: InboundMessage, isOwner: boolean): string {
  if (isOwner && message.isPrivate) return mainSpace;
  const { channel, chat } = message.address;
  const name = `${channel}-${chat}`;
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 51);
  // Two chats must not share a folder because their ids look alike once made plain.
  return plain === name
    ? name
    : `${plain}-${createHash("sha256").update(name).digest("hex").slice(0, 12)}`;
}
