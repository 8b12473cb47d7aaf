import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";

export interface Paths {
  readonly config: string;
  readonly state: string;
  readonly workspace: string;
}

interface PathFlags {
  readonly config?: string;
  readonly state?: string;
  readonly workspace?: string;
}

/** Adds the three options that every command takes. */
export function addPathOptions(program: Command): Command {
  return program
    .option(
      "--config <file>",
      "the configuration (BARNACLE_CONFIG; ./config.json, ./config/config.json)",
    )
    .option("--state <dir>", "the state folder (BARNACLE_STATE; state beside the configuration)")
    .option(
      "--workspace <dir>",
      "the workspace (BARNACLE_WORKSPACE; workspace beside the configuration)",
    );
}

/** Flag before environment before default. In a stack, config.json lies in `config/`, the folders beside that. */
export function pathsOf(command: Command): Paths {
  const flags = command.optsWithGlobals<PathFlags>();
  const { env } = process;
  const found = ["config.json", "config/config.json"].find((file) => existsSync(file));
  const config = resolve(flags.config || env["BARNACLE_CONFIG"] || found || "config.json");
  const folder = dirname(config);
  const base = basename(folder) === "config" ? dirname(folder) : folder;
  return {
    config,
    state: resolve(flags.state || env["BARNACLE_STATE"] || join(base, "state")),
    workspace: resolve(flags.workspace || env["BARNACLE_WORKSPACE"] || join(base, "workspace")),
  };
}
