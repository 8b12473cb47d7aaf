import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command } from "commander";
import type { LoadedConfig } from "../config/load.ts";
import { loadConfig } from "../config/load.ts";
import { ConfigError } from "../contracts/errors.ts";
import { askHealth, healthSocket } from "../health.ts";
import { errorText } from "../lib/error-text.ts";
import { createLog } from "../lib/log.ts";
import { openSandbox } from "../main.ts";
import { kinds } from "./kinds.ts";
import { exitCodes, print, table } from "./output.ts";
import { type Paths, pathsOf } from "./paths.ts";

interface Finding {
  readonly id: string;
  readonly verdict: "PASS" | "WARN" | "FAIL";
  readonly said: string;
  readonly exitCode?: number;
}

const checkTimeoutMs = 20_000;

/** `doctor`: every check runs, none stops the others; the exit code is that of the gravest finding. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check the configuration, the machine and the credentials")
    .option("--offline", "leave out the checks that ask the providers and platforms")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Changes nothing. Exit codes: 0 nothing failed, 3 something is missing on this
machine, 5 credentials were refused, 78 the configuration is wrong.

Examples:
  barnacle doctor
  barnacle doctor --offline --json
`,
    )
    .action(async (flags: { offline?: boolean; json?: boolean }, command: Command) => {
      const findings = await examine(pathsOf(command), flags.offline === true);
      const rows = findings.map(({ verdict, id, said }) => [verdict, id, said]);
      print(findings, table(rows), flags.json === true);
      process.exitCode = Math.max(
        0,
        ...findings.map(({ verdict, exitCode }) =>
          verdict === "FAIL" ? (exitCode ?? exitCodes.preflight) : 0,
        ),
      );
    });
}

async function examine(paths: Paths, offline: boolean): Promise<readonly Finding[]> {
  const findings: Finding[] = [
    { id: "node", verdict: "PASS", said: `Node ${process.versions.node}` },
    stateFinding(paths.state),
  ];
  const loaded = loadOrFindings(paths, findings);
  findings.push(await runningFinding(paths));
  if (loaded === undefined) return findings;
  findings.push(await sandboxFinding(loaded, paths), ...personaFindings(paths));
  if (!offline) findings.push(...(await liveFindings(loaded)));
  return findings;
}

function loadOrFindings(paths: Paths, findings: Finding[]): LoadedConfig | undefined {
  try {
    const loaded = loadConfig(paths.config, { kinds, env: process.env });
    findings.push({ id: "config", verdict: "PASS", said: `${paths.config} is right.` });
    for (const { path, reason } of loaded.warnings) {
      findings.push({
        id: "config",
        verdict: "WARN",
        said: path === "" ? reason : `${path}: ${reason}`,
      });
    }
    return loaded;
  } catch (error) {
    const said = error instanceof ConfigError ? error.message.split("\n") : [errorText(error)];
    for (const each of said) {
      findings.push({ id: "config", verdict: "FAIL", said: each, exitCode: exitCodes.config });
    }
    return undefined;
  }
}

function stateFinding(state: string): Finding {
  try {
    const present = nearestFolder(state);
    accessSync(present, constants.W_OK);
    const said = present === state ? `${state} can be written.` : `${state} can be made.`;
    return { id: "state", verdict: "PASS", said };
  } catch (error) {
    const said = `${state} cannot be written (${errorText(error)}). Make it writable for this user, or name another with --state DIR.`;
    return { id: "state", verdict: "FAIL", said };
  }
}

/** The folder itself, or what of its path exists. */
function nearestFolder(folder: string): string {
  return existsSync(folder) ? folder : nearestFolder(dirname(folder));
}

async function runningFinding({ state }: Paths): Promise<Finding> {
  const report = existsSync(healthSocket(state)) ? await askHealth(healthSocket(state)) : undefined;
  if (report === undefined)
    return { id: "gateway", verdict: "WARN", said: "No gateway runs on this state." };
  const verdict = report.status === "ok" ? "PASS" : "WARN";
  return { id: "gateway", verdict, said: `A gateway runs (pid ${report.pid}): ${report.status}.` };
}

async function sandboxFinding({ config }: LoadedConfig, { workspace }: Paths): Promise<Finding> {
  const sandbox = openSandbox(config, workspace, createLog({ level: "silent" }));
  try {
    const { by, runsCommands, explanation } = await sandbox.confinement();
    const verdict = runsCommands ? "PASS" : by === "none" ? "WARN" : "FAIL";
    return { id: "sandbox", verdict, said: explanation };
  } catch (error) {
    return { id: "sandbox", verdict: "FAIL", said: errorText(error) };
  } finally {
    await sandbox.stop();
  }
}

/** Started by root, the sandbox is another user: what only root may read never reaches the prompt. */
function personaFindings({ workspace }: Paths): readonly Finding[] {
  if (process.getuid?.() !== 0) return [];
  const names = ["AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md", "skills"];
  return names
    .map((name) => join(workspace, name))
    .filter((path) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0o4) & 0o4) === 0)
    .map((path) => ({
      id: "workspace",
      verdict: "WARN",
      said: `${path} cannot be read by the sandbox, which is no longer root. chmod o+r it.`,
    }));
}

/** Asks every provider and platform of the config, all at once. */
async function liveFindings({ config }: LoadedConfig): Promise<readonly Finding[]> {
  const parts = [
    ...config.models.map(({ provider, settings }) => ({
      id: `model ${provider}`,
      kind: kinds.providerKinds.find(({ name }) => name === provider),
      settings,
    })),
    ...config.channels.map(({ name, kind, settings }) => ({
      id: `channel ${name}`,
      kind: kinds.channelKinds.find((one) => one.name === kind),
      settings,
    })),
  ];
  return await Promise.all(
    parts.map(async ({ id, kind, settings }): Promise<Finding> => {
      if (kind?.check === undefined) return { id, verdict: "PASS", said: "Nothing to check live." };
      try {
        const said = await kind.check(settings, AbortSignal.timeout(checkTimeoutMs));
        return { id, verdict: "PASS", said };
      } catch (error) {
        return { id, verdict: "FAIL", said: errorText(error), exitCode: exitCodes.liveCheck };
      }
    }),
  );
}
