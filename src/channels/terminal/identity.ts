import type { Address, Sender } from "../../contracts/message.ts";

/** Whoever sits at the terminal of the machine itself. */
export const terminalSender: Sender = { id: "local", name: "you" };
export const terminalAddress: Address = { channel: "terminal", chat: "terminal" };
