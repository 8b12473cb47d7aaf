import * as z from "zod";
import type { ChannelKind } from "../contracts/kind.ts";

const settings = z.strictObject({});

/** A chat in the terminal that the program runs in: for `chat`, `ask` and `try`. */
export const terminal: ChannelKind<typeof settings> = {
  name: "terminal",
  settings,
  questions: [],
  userId: { pattern: /^local$/, example: "local" },
  hosts: () => [],
  async open() {
    // With the Markdown parser, which other commands need not load.
    const { createTerminal, processTerminal } = await import("./terminal/create-terminal.ts");
    return createTerminal(processTerminal());
  },
};
