import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configReference } from "../src/config/reference.ts";
import { configJsonSchema } from "../src/config/schema.ts";
import { kinds } from "../src/cli/kinds.ts";

/** Writes config.schema.json and docs/configuration.md; with --check only tells whether they are up to date. */
const root = join(import.meta.dirname, "..");
const generated: Readonly<Record<string, string>> = {
  "config.schema.json": `${JSON.stringify(configJsonSchema(kinds), undefined, 2)}\n`,
  "docs/configuration.md": configReference(kinds),
};

const stale = Object.entries(generated).filter(([file, text]) => current(file) !== text);
if (process.argv.includes("--check")) {
  if (stale.length > 0) {
    const names = stale.map(([file]) => file).join(" and ");
    process.stderr.write(`${names} no longer fit the schema. Run "npm run generate".\n`);
    process.exitCode = 1;
  }
} else {
  for (const [file, text] of stale) {
    writeFileSync(join(root, file), text);
    process.stdout.write(`${file} written\n`);
  }
}

function current(file: string): string | undefined {
  try {
    return readFileSync(join(root, file), "utf8");
  } catch {
    return undefined; // absent is stale
  }
}
