import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { ConfigError } from "../../src/contracts/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { LoadedConfig, LoadOptions } from "../../src/config/load.ts";
import { kinds } from "../support/kinds.ts";

/** A real folder with these files (mode 0600), gone after the test. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "barnacle-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, 0o600);
  }
  return folder;
}

/** A file that blocks whoever opens it for reading and waits. */
export function makeFifo(path: string): void {
  execFileSync("/bin/sh", ["-c", 'mkfifo "$0"', path]);
}

export function load(
  config: unknown,
  options: Partial<LoadOptions> = {},
  files: Readonly<Record<string, string>> = {},
): LoadedConfig {
  const text = typeof config === "string" ? config : JSON.stringify(config, undefined, 2);
  const folder = folderWith({ "config.json": text, ...files });
  return loadConfig(join(folder, "config.json"), { kinds, env: {}, ...options });
}

/** The mistakes of a config that must not load. */
export function mistakesOf(...given: Parameters<typeof load>): ConfigError["mistakes"] {
  try {
    load(...given);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  throw new Error("The config loaded, and must not.");
}

export const llm = { provider: "openrouter", api_key: "sk-or-literal-0001", model: "some/model" };
export const telegram = { type: "telegram", token: "123456789:literal-token" };
