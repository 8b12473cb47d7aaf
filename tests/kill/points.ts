import type { ModelPoint } from "../support/counterparts/model.ts";
import type { TelegramPoint } from "../support/counterparts/telegram.ts";
import type { Kind } from "./oracle.ts";

/** A place on a message's way where the gateway is killed. */
export type KillPoint = { readonly name: string } & (
  | { readonly at: "telegram"; readonly point: TelegramPoint; readonly kinds: readonly Kind[] }
  | {
      readonly at: "model";
      readonly point: ModelPoint;
      readonly kinds: readonly Kind[];
      /** 1: at the second request, which brings the result of a tool. */
      readonly skip?: number;
    }
  /** Some milliseconds after the update went out: accepting, claiming, the prompt, the call. */
  | { readonly at: "shortly after delivery" }
  | { readonly at: "tool" }
  /** Killed in the tool, and again while the model is being told. */
  | { readonly at: "tool, then its report" }
  | { readonly at: "any moment" }
  | { readonly at: "start" }
);

const plain: readonly Kind[] = ["echo", "stream", "long"];
const withTool: readonly Kind[] = ["tool", "both"];
const all = [...plain, ...withTool];

/** The way of a message, in order. What follows the last named point are moments nobody chose. */
export const killPoints: readonly KillPoint[] = [
  {
    name: "before the update is delivered",
    at: "telegram",
    point: "update to be delivered",
    kinds: all,
  },
  { name: "as the update is delivered", at: "telegram", point: "update delivered", kinds: all },
  { name: "while it is accepted", at: "shortly after delivery" },
  { name: "after accept, offset moved", at: "telegram", point: "offset moved", kinds: all },
  { name: "at the model call", at: "model", point: "request received", kinds: all },
  { name: "during streaming", at: "model", point: "mid-stream", kinds: all },
  { name: "after the answer's last byte", at: "model", point: "last byte", kinds: plain },
  { name: "after the tool call's last byte", at: "model", point: "last byte", kinds: withTool },
  { name: "during a tool", at: "tool" },
  { name: "during a tool, then at its report", at: "tool, then its report" },
  { name: "after a tool", at: "model", point: "request received", skip: 1, kinds: withTool },
  { name: "before the send", at: "telegram", point: "sendMessage received", kinds: all },
  {
    name: "after the send, before the receipt",
    at: "telegram",
    point: "sendMessage recorded",
    kinds: all,
  },
  { name: "at the receipt", at: "telegram", point: "sendMessage answered", kinds: all },
  { name: "any moment", at: "any moment" },
  { name: "any moment", at: "any moment" },
  { name: "any moment", at: "any moment" },
  { name: "while starting", at: "start" },
];
