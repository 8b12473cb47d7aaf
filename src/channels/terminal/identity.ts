import { userInfo } from "node:os";
import type { Address, Sender } from "../../contracts/message.ts";

/** Whoever sits at the terminal of the machine itself. */
export const terminalSender: Sender = { id: "local", name: loginName() };
export const terminalAddress: Address = { channel: "terminal", chat: "terminal" };

function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    return "owner"; // a uid without an entry in the user database
  }
}
