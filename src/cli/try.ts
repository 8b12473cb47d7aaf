// barnacle try: first model found -> workspace from the template -> a chat in the terminal. Keys stay in the environment.
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { errorText } from "../lib/error-text.ts";
import { installFolder } from "../runtime-files.ts";
import { detectModel, type DetectedModel, providerNames } from "./try/detect-model.ts";
import { tell } from "./output.ts";
import { prepareWorkspace } from "./workspace.ts";

export interface TryChat {
  /** What a config file would hold. Its secrets are `env://` references. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: string;
  readonly workspace: string;
}

export interface TryDependencies {
  /** Opens the chat on the standard streams and resolves with the exit code. */
  runChat(chat: TryChat): Promise<number>;
}

interface TryFlags {
  readonly config?: string;
  readonly provider?: string;
  readonly model?: string;
  readonly state?: string;
  readonly workspace?: string;
}

/** No folder to work in, or no model where one was asked for: the machine is not ready. */
const preflightFailed = 3;

/** The command `try`. `--state` and `--workspace` are the program's own global options. */
export function tryCommand(deps: TryDependencies): Command {
  return new Command("try")
    .description("Chat at once, without a configuration, with the first model found")
    .addOption(
      new Option("--provider <name>", "use this provider only").choices([...providerNames]),
    )
    .option("--model <id>", "use this model of the provider")
    .addHelpText("after", help)
    .action(async (_: unknown, command: Command) => {
      const flags = command.optsWithGlobals<TryFlags>();
      if (flags.config !== undefined) {
        tell(`"try" does not read ${flags.config}: "barnacle chat" does.`);
      }
      try {
        const found = await detectModel(process.env, flags);
        tell(found.explanation);
        const folders = makeFolders(flags);
        tell(`Workspace: ${folders.workspace}`);
        process.exitCode = await deps.runChat({ config: configFor(found), ...folders });
      } catch (error) {
        tell(errorText(error));
        process.exitCode = preflightFailed;
      }
    });
}

const help = `
The first of these that is there is used:
  ANTHROPIC_API_KEY, OPENAI_API_KEY, OPENROUTER_API_KEY,
  OLLAMA_HOST (if it answers), else the built-in model "offline".
ANTHROPIC_BASE_URL, OPENAI_BASE_URL and OPENROUTER_BASE_URL are honoured.
Keys are read from the environment and never written to disk.

Examples:
  barnacle try
  echo "list my files" | barnacle try
  barnacle try --provider offline
  barnacle try --provider openrouter --model openai/gpt-5.4-mini
`;

function configFor({ llm }: DetectedModel): Readonly<Record<string, unknown>> {
  return { llm, channel: { type: "terminal" } };
}

interface Folders {
  readonly state: string;
  readonly workspace: string;
}

/** Beside the program, out of the way of everything else. */
function makeFolders(flags: TryFlags): Folders {
  const home = join(installFolder(), ".barnacle");
  const state = resolve(flags.state || process.env["BARNACLE_STATE"] || join(home, "state"));
  const workspace = resolve(
    flags.workspace || process.env["BARNACLE_WORKSPACE"] || join(home, "workspace"),
  );
  prepareWorkspace(workspace);
  return { state, workspace };
}
