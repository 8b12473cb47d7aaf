import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { expect, test } from "vitest";

/** The import table of the design, as data: which folders of src, and which packages, each folder may import. */
const table: Record<string, { own: readonly string[]; packages: readonly string[] | "any" }> = {
  contracts: { own: [], packages: ["zod"] },
  lib: { own: ["contracts"], packages: "any" },
  store: { own: ["contracts", "lib"], packages: "any" },
  config: { own: ["contracts", "lib"], packages: "any" },
  sandbox: { own: ["contracts", "lib"], packages: "any" },
  core: { own: ["contracts", "lib"], packages: ["zod", "croner", "tokenx"] },
  channels: { own: ["contracts", "lib"], packages: "any" },
  providers: { own: ["contracts", "lib"], packages: "any" },
  mcp: { own: ["contracts", "lib"], packages: "any" },
  tools: { own: ["contracts", "lib"], packages: "any" },
  installer: { own: ["contracts", "lib", "config"], packages: "any" },
  cli: { own: "everything".split(" "), packages: "any" },
};

const src = join(import.meta.dirname, "../src");

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), "utf8");
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\s+(type\s)?[^"';]*?from\s+"([^"]+)"/gm),
    ...text.matchAll(/\bimport\(\s*()"([^"]+)"/g),
    ...text.matchAll(/^\s*import\s+()"([^"]+)"/gm),
  ];
  return found.map((match) => ({ file, target: match[2] ?? "", typeOnly: match[1] === "type " }));
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);
const imports = files.flatMap((file) => importsOf(file));
const folderOf = (file: string): string | undefined =>
  file.includes(sep) ? file.split(sep)[0] : undefined;

test("every folder of src stands in the import table", () => {
  const folders = new Set(files.map(folderOf).filter((folder) => folder !== undefined));
  expect([...folders].filter((folder) => !(folder in table))).toEqual([]);
});

test("imports between folders follow the table", () => {
  let edges = 0;
  const wrong: string[] = [];
  for (const { file, target } of imports) {
    const from = folderOf(file);
    if (from === undefined || !target.startsWith(".")) continue;
    const to = folderOf(relative(src, join(src, dirname(file), target)));
    edges += 1;
    const allowed = table[from]?.own ?? [];
    if (to === from || allowed.includes("everything")) continue;
    if (to === undefined || !allowed.includes(to)) wrong.push(`${file} imports ${target}`);
  }
  expect(wrong).toEqual([]);
  expect(edges).toBeGreaterThan(20);
});

test("packages are imported only where the table lets them, and core has no I/O", () => {
  const wrong: string[] = [];
  for (const { file, target, typeOnly } of imports) {
    const rules = table[folderOf(file) ?? "cli"];
    if (target.startsWith(".") || rules === undefined || rules.packages === "any") continue;
    const name = target.startsWith("@")
      ? target.split("/").slice(0, 2).join("/")
      : (target.split("/")[0] ?? target);
    const allowed = rules.packages.includes(name) && (typeOnly || !file.startsWith("contracts"));
    if (isBuiltin(target) ? target !== "node:crypto" : !allowed) {
      if (!(typeOnly && rules.packages.includes(name))) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});
