import { Command } from "commander";
import type { Requirement } from "../config/check-meaning.ts";
import { effectiveConfig, explain } from "../config/explain.ts";
import { loadConfig } from "../config/load.ts";
import type { LoadedConfig } from "../config/load.ts";
import { configJsonSchema } from "../config/schema.ts";
import type { Kinds } from "../config/schema.ts";
import { ConfigError } from "../contracts/errors.ts";
import { errorText } from "../lib/error-text.ts";
import { addExamples } from "./examples.ts";
import { configHint } from "./output.ts";

export interface ConfigCommandDeps {
  readonly kinds: Kinds;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The config file, asked for when a command runs, after the global options were read. */
  configFile(): string;
  writeOut(text: string): void;
  writeError(text: string): void;
  setExitCode(code: number): void;
}

/** sysexits.h EX_CONFIG, which service managers know. */
const exitConfigError = 78;
const exitUsage = 2;

/** `barnacle config check|show|schema|explain PATH`: data on stdout, sentences on stderr. */
export function configCommand(deps: ConfigCommandDeps): Command {
  const command = new Command("config").description("Check, show and explain the configuration");
  command
    .command("check")
    .description("Tell every mistake in the configuration at once")
    .option("--allow-empty", 'without a model or a channel it is right too, as for "gateway"')
    .option("--json", "print one JSON object")
    .action(({ json, allowEmpty }: Options) => {
      answer(deps, json, () => {
        const { warnings, source } = load(deps, allowEmpty === true ? [] : ["llm", "channel"]);
        const lines = [`${source.document.file} is right.`, ...warnings.map(warningLine)];
        return { data: { file: source.document.file, warnings }, text: lines.join("\n") };
      });
    });
  command
    .command("show")
    .description("Print the effective configuration: defaults filled in, secrets masked")
    .option("--json", "print one JSON object")
    .action(({ json }: Options) => {
      answer(deps, json, () => {
        const data = effectiveConfig(load(deps));
        return { data, text: JSON.stringify(data, undefined, 2) };
      });
    });
  command
    .command("schema")
    .description("Print the JSON Schema of the configuration")
    .option("--json", "print one JSON object")
    .action(({ json }: Options) => {
      answer(deps, json, () => {
        const data = configJsonSchema(deps.kinds);
        return { data, text: JSON.stringify(data, undefined, 2) };
      });
    });
  command
    .command("explain")
    .argument("<path>", "such as agent.max_steps or channel.allowed_users")
    .description("Tell a setting's value, where it comes from and what it means")
    .option("--json", "print one JSON object")
    .action((path: string, { json }: Options) => {
      answer(deps, json, () => {
        const loaded = load(deps);
        const data = explainOrRefuse(loaded, path);
        const value = data.value === undefined ? "(none)" : JSON.stringify(data.value);
        const meaning = data.meaning === undefined ? [] : [data.meaning];
        return {
          data,
          text: [`${data.path} = ${value}`, `from: ${data.from}`, ...meaning].join("\n"),
        };
      });
    });
  addExamples(command, examples);
  command.addHelpText(
    "after",
    "\nExits with 0, or 78 when the configuration is wrong, or 2 when the command is.",
  );
  // Usage mistakes are thrown rather than ending the process here, so that the command line exits in one place.
  for (const each of [command, ...command.commands]) each.exitOverride();
  return command;
}

const examples = [
  "barnacle config check",
  "barnacle config show --json",
  "barnacle config schema > config.schema.json",
  "barnacle config explain channel.allowed_users",
];

interface Options {
  readonly allowEmpty?: boolean;
  readonly json?: boolean;
}

interface Answer {
  readonly data: unknown;
  readonly text: string;
}

class UsageError extends Error {
  override readonly name = "UsageError";
}

function load(deps: ConfigCommandDeps, require: readonly Requirement[] = ["llm"]): LoadedConfig {
  return loadConfig(deps.configFile(), { kinds: deps.kinds, env: deps.env, require });
}

function explainOrRefuse(loaded: LoadedConfig, path: string): ReturnType<typeof explain> {
  try {
    return explain(loaded, path);
  } catch (error) {
    throw new UsageError(errorText(error), { cause: error });
  }
}

function answer(deps: ConfigCommandDeps, json: boolean | undefined, work: () => Answer): void {
  try {
    const { data, text } = work();
    deps.writeOut(json ? line({ schemaVersion: 1, ok: true, data }) : `${text}\n`);
  } catch (error) {
    const failure = failureOf(error);
    deps.setExitCode(failure.exitCode);
    const { code, message, hint, mistakes } = failure;
    if (json)
      deps.writeOut(
        line({ schemaVersion: 1, ok: false, error: { code, message, hint, mistakes } }),
      );
    deps.writeError(hint === undefined ? `${message}\n` : `${message}\n${hint}\n`);
  }
}

interface Failure {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly mistakes?: ConfigError["mistakes"];
}

function failureOf(error: unknown): Failure {
  if (error instanceof ConfigError) {
    return {
      exitCode: exitConfigError,
      code: "config-invalid",
      message: error.message,
      hint: configHint(error),
      mistakes: error.mistakes,
    };
  }
  if (error instanceof UsageError)
    return { exitCode: exitUsage, code: "usage", message: error.message };
  throw error;
}

function warningLine({ path, reason, line: at }: LoadedConfig["warnings"][number]): string {
  const where = at === undefined ? "" : ` (line ${at})`;
  return path === "" ? `Warning: ${reason}${where}` : `Warning: ${path} ${reason}${where}`;
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
