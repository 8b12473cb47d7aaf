/** The command table. */
import { Command } from "commander";
import * as z from "zod";
import { askCommand } from "./cli/ask.ts";
import { chatCommand } from "./cli/chat.ts";
import { configCommand } from "./cli/config.ts";
import { doctorCommand } from "./cli/doctor.ts";
import { gatewayCommand } from "./cli/gateway.ts";
import { healthCommand } from "./cli/health.ts";
import { kinds } from "./cli/kinds.ts";
import { exitCodes } from "./cli/output.ts";
import { addPathOptions, pathsOf } from "./cli/paths.ts";
import { peopleCommand } from "./cli/people.ts";
import { runTryChat } from "./cli/run-chat.ts";
import { sessionsCommand } from "./cli/sessions.ts";
import { tryCommand } from "./cli/try.ts";
import { usageCommand } from "./cli/usage.ts";
import { version } from "./version.ts";

// A schema is used once or for a few small values: compiling parsers for it takes longer than it saves.
z.config({ jitless: true });

const program = addPathOptions(new Command("barnacle"))
  .description("A personal AI assistant on your own server, reached by chat, sealed.")
  .version(version)
  .showHelpAfterError("(add --help for help)")
  .showSuggestionAfterError()
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    "after",
    `
Examples:
  barnacle try                       chat at once, without a configuration
  barnacle gateway --config config.json
  barnacle ask "what is in my notes?"

Exit codes: 0 done, 1 unexpected error, 2 usage, 3 something is missing on
this machine, 5 credentials were refused, 9 another gateway runs, 78 the
configuration is wrong, 130 interrupted.
`,
  )
  .exitOverride((error) => {
    // Commander's own errors are about usage; help and version are no errors.
    process.exit(error.exitCode === 0 ? exitCodes.done : exitCodes.usage);
  });

const commands = [
  gatewayCommand(),
  chatCommand(),
  askCommand(),
  tryCommand({ runChat: runTryChat }),
  configCommand({
    kinds,
    env: process.env,
    configFile: () => pathsOf(program).config,
    writeOut: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
    setExitCode(code) {
      process.exitCode = code;
    },
  }),
  doctorCommand(),
  healthCommand(),
  peopleCommand(),
  sessionsCommand(),
  usageCommand(),
];
for (const command of commands) program.addCommand(inheritSettings(command));

await program.parseAsync();

/** Sub-commands made on their own do not inherit how errors end and what is shown after them. */
function inheritSettings(command: Command): Command {
  command.copyInheritedSettings(program);
  for (const child of command.commands) inheritSettings(child);
  return command;
}
