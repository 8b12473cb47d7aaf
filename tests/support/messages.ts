import type { InboundMessage } from "../../src/contracts/message.ts";

let count = 0;

/** A private text message of person 1001 on `telegram`, unless said otherwise. */
export function inbound(over: Partial<InboundMessage> = {}): InboundMessage {
  count += 1;
  return {
    id: String(count),
    version: 0,
    address: { channel: "telegram", chat: "1001" },
    sender: { id: "1001", name: "Ann" },
    sentAt: new Date(Date.UTC(2026, 10, 21, 14, 0)),
    text: `message ${count}`,
    attachments: [],
    forwarded: false,
    addressedToBot: true,
    isPrivate: true,
    ...over,
  };
}

/** The same in a group. */
export function inGroup(over: Partial<InboundMessage> = {}): InboundMessage {
  return inbound({
    address: { channel: "telegram", chat: "-500" },
    isPrivate: false,
    addressedToBot: false,
    ...over,
  });
}
