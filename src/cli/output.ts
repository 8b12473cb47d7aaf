import { existsSync } from "node:fs";
import { wrapText } from "../channels/terminal/wrap-text.ts";
import { ConfigError, StateError } from "../contracts/errors.ts";
import { errorText } from "../lib/error-text.ts";

/** Exit codes, one table for the whole product; 78 is sysexits' EX_CONFIG. */
export const exitCodes = {
  done: 0,
  unexpected: 1,
  usage: 2,
  preflight: 3,
  liveCheck: 5,
  locked: 9,
  config: 78,
} as const;

/** A failure whose message is all that the operator needs. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;
  readonly code: string;

  constructor(message: string, code: string, exitCode: number) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** Data goes to stdout: as one JSON document with `--json`, else as text. */
export function print(data: unknown, text: string, json: boolean): void {
  const shown = json ? JSON.stringify({ schemaVersion: 1, ok: true, data }, null, 2) : text;
  process.stdout.write(`${shown}\n`);
}

/** A sentence for the person at the terminal, on stderr: never among the data. */
export function tell(sentence: string): void {
  process.stderr.write(`${wrapText(sentence, process.stderr.columns)}\n`);
}

/** Runs a command's action: what it throws becomes a sentence on stderr (or a JSON error) and an exit code. */
export async function guarded(json: boolean, action: () => Promise<void> | void): Promise<void> {
  try {
    await action();
  } catch (error) {
    const { code, exitCode } = classify(error);
    const more =
      error instanceof ConfigError
        ? { hint: configHint(error), mistakes: error.mistakes }
        : undefined;
    const message = error instanceof ConfigError ? error.message : errorText(error);
    if (json) {
      const body = { schemaVersion: 1, ok: false, error: { code, message, ...more } };
      process.stdout.write(`${JSON.stringify(body, null, 2)}\n`);
    } else {
      process.stderr.write(`${message}\n${more === undefined ? "" : `${more.hint}\n`}`);
    }
    if (
      exitCode === exitCodes.unexpected &&
      process.env["BARNACLE_DEBUG"] &&
      error instanceof Error
    ) {
      process.stderr.write(`${error.stack ?? ""}\n`);
    }
    process.exitCode = exitCode;
  }
}

/** What to do about a configuration that cannot be used. */
export function configHint({ file }: ConfigError): string {
  return existsSync(file)
    ? `Correct ${file}, then run "barnacle config check".`
    : 'README.md shows one; "barnacle try" chats without any.';
}

function classify(error: unknown): { readonly code: string; readonly exitCode: number } {
  if (error instanceof CliError) return error;
  if (error instanceof ConfigError) return { code: "config-invalid", exitCode: exitCodes.config };
  if (error instanceof StateError) return { code: "state", exitCode: exitCodes.preflight };
  return { code: "unexpected", exitCode: exitCodes.unexpected };
}

/** Columns padded to their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
