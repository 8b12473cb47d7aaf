import { Command } from "commander";
import { loadConfig } from "../config/load.ts";
import { kinds } from "./kinds.ts";
import { guarded } from "./output.ts";
import { pathsOf } from "./paths.ts";
import { runChat } from "./run-chat.ts";

/** `chat`: talk to the configured bot in the terminal. */
export function chatCommand(): Command {
  return new Command("chat")
    .description("Talk to the bot in this terminal, as its owner")
    .addHelpText(
      "after",
      `
Uses the model, workspace and state of the configuration; the gateway must not
be running on the same state. From a pipe each line is one message.

Examples:
  barnacle chat
  echo "list my files" | barnacle chat
`,
    )
    .action(async (_: unknown, command: Command) => {
      await guarded(false, async () => {
        const paths = pathsOf(command);
        const loaded = loadConfig(paths.config, { kinds, env: process.env });
        process.exitCode = await runChat(loaded, paths);
      });
    });
}
