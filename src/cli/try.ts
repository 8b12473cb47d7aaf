// barnacle try: first model found -> workspace from the template -> a chat in the terminal. Keys stay in the environment.
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { errorText } from "../lib/error-text.ts";
import { detectModel, type DetectedModel, providerNames } from "./try/detect-model.ts";

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

function tell(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
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

/** A workspace that holds anything is used as it is. */
function makeFolders(flags: TryFlags): Folders {
  const { template, project } = findInstall(import.meta.dirname);
  const state = resolve(
    flags.state || process.env["BARNACLE_STATE"] || join(project, ".barnacle/state"),
  );
  const workspace = resolve(
    flags.workspace || process.env["BARNACLE_WORKSPACE"] || join(project, ".barnacle/workspace"),
  );
  try {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    mkdirSync(workspace, { recursive: true });
    if (readdirSync(workspace).length === 0) cpSync(template, workspace, { recursive: true });
  } catch (error) {
    throw new Error(
      `${errorText(error)}. "try" keeps its state in ${state} and its workspace in ${workspace}: ` +
        "choose folders that can be written with --state DIR and --workspace DIR.",
      { cause: error },
    );
  }
  return { state, workspace };
}

/**
 * The template stands in the checkout beside `src`, and in the bundle beside the code. `project` is the folder that
 * holds `src` or `dist`.
 */
function findInstall(from: string): { readonly template: string; readonly project: string } {
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder)) {
    const template = join(folder, "workspace-template");
    if (!existsSync(template)) continue;
    const isBundle = !existsSync(join(folder, "src"));
    return { template, project: isBundle ? dirname(folder) : folder };
  }
  throw new Error(
    `The folder workspace-template is missing above ${from}: install Barnacle again.`,
  );
}
