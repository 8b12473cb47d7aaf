import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { createConfigSchema } from "../src/config/schema.ts";
import { parseConfig } from "../src/config/load.ts";
import { retiredKeys } from "../src/config/retired.ts";
import { kinds } from "../src/cli/kinds.ts";

const root = join(import.meta.dirname, "..");

/** README.md and the pages of docs/, as far as they are there. */
function pages(): string[] {
  const names = readdirSync(root).filter((name) => name === "README.md");
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  return [...names, ...docs.map((name) => join("docs", name))];
}

const blocks = pages().flatMap((page) =>
  [...readFileSync(join(root, page), "utf8").matchAll(/^```json\n(.*?)^```/gms)].map((match) => ({
    page,
    text: match[1] ?? "",
  })),
);

test("the documentation has configurations to check", () => {
  expect(blocks.length).toBeGreaterThan(0);
});

test.each(blocks)("a configuration in $page loads: $text", ({ text }) => {
  // Secrets need not be there to read a page: the references are kept as literals.
  const withoutReferences = text.replaceAll(/"(?:file|env):\/\/(\w+)"/g, '"$1-literal"');
  expect(() => parseConfig("config.json", withoutReferences, { kinds, env: {} })).not.toThrow();
});

test("every key of the schema is described in a sentence", () => {
  const bare: string[] = [];
  let seen = 0;
  const look = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { properties, anyOf, oneOf, items, additionalProperties } = schema as Record<
      string,
      unknown
    >;
    for (const [key, property] of Object.entries(properties ?? {})) {
      seen += 1;
      const { description } = property as { description?: string };
      if (!description?.endsWith(".")) bare.push(`${path}.${key}`);
      look(property, `${path}.${key}`);
    }
    for (const option of [anyOf, oneOf].flat()) look(option, path);
    look(items, path);
    look(additionalProperties, path);
  };
  look(z.toJSONSchema(createConfigSchema(kinds), { io: "input" }), "");
  expect(bare).toEqual([]);
  expect(seen).toBeGreaterThan(50);
});

test("retired keys say in a sentence what to do", () => {
  expect(retiredKeys.filter(({ reason }) => !reason.endsWith("."))).toEqual([]);
});
