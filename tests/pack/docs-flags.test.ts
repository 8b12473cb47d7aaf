import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { root, run } from "./support/bundle.ts";

const documents = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "deploy.sh"];

interface Command {
  readonly help: string;
  readonly subcommands: ReadonlyMap<string, Command>;
}

let barnacle: Command;
let deploy: Command;

beforeAll(async () => {
  barnacle = await readCommand([]);
  const help = (await run("bash", [join(root, "deploy.sh"), "help"])).stdout;
  const leaf = { help, subcommands: new Map<string, Command>() };
  deploy = {
    help,
    subcommands: new Map([
      ["try", await readCommand(["try"])],
      ["help", leaf],
      ["version", leaf],
    ]),
  };
}, 60_000);

/** The command tree as `--help` tells it. */
async function readCommand(path: readonly string[]): Promise<Command> {
  const { stdout } = await run(process.execPath, [
    join(root, "dist/barnacle.js"),
    ...path,
    "--help",
  ]);
  const listed = stdout.split(/^Commands:$/m)[1]?.split(/^\S/m)[0] ?? "";
  const names = [...listed.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "help");
  const subcommands = new Map<string, Command>();
  for (const name of names) subcommands.set(name, await readCommand([...path, name]));
  return { help: stdout, subcommands };
}

/** What is wrong with `words` as a call of `command`, or nothing. */
function mistakes(words: readonly string[], command: Command): string[] {
  let current = command;
  let helps = command.help;
  const wrong: string[] = [];
  for (const word of words) {
    const flag = /^(--[a-z][a-z-]*)/.exec(word)?.[1];
    const next = current.subcommands.get(word);
    if (flag !== undefined) {
      if (!helps.includes(flag)) wrong.push(`no flag ${flag}`);
    } else if (next !== undefined) {
      current = next;
      helps += next.help;
    } else if (current.subcommands.size > 0 && /^[a-z-]+$/.test(word)) {
      wrong.push(`no command ${word}`);
    }
  }
  return wrong;
}

interface Mention {
  readonly program: string;
  readonly words: readonly string[];
  readonly where: string;
}

/** Calls in code spans, fenced blocks, and the script's own help. Uppercase words and quoted ones are arguments. */
function mentionsIn(document: string): Mention[] {
  const text = readFileSync(join(root, document), "utf8");
  const calls =
    /(?:^|[`"|$(]|\bnpm run -s )\s*(barnacle|\.\/deploy\.sh|node dist\/barnacle\.js)((?: (?:--? ?)?[^\s`|"]+| "[^"]*")*)/gm;
  return [...text.matchAll(calls)].map(([call, program = "", rest = ""]) => ({
    program,
    words: rest.split(/[ [\]]+/).filter((word) => word !== "" && word !== "--"),
    where: `${document}: ${call.trim()}`,
  }));
}

const mentions = documents.flatMap((document) => mentionsIn(document));

test("the documents name commands to check", () => {
  expect(mentions.length).toBeGreaterThan(20);
  expect(barnacle.subcommands.size).toBeGreaterThan(8);
});

test("every command and flag in the documents exists", () => {
  const wrong = mentions.flatMap(({ program, words, where }) => {
    const command = program === "./deploy.sh" ? deploy : barnacle;
    return mistakes(words, command).map((mistake) => `${where}: ${mistake}`);
  });
  expect(wrong).toEqual([]);
});

test("a command or flag that does not exist would be noticed", () => {
  expect(mistakes(["people", "adopt"], barnacle)).toEqual(["no command adopt"]);
  expect(mistakes(["gateway", "--allow-everything"], barnacle)).toEqual([
    "no flag --allow-everything",
  ]);
  expect(mistakes(["people", "approve", "ID", "--config", "FILE"], barnacle)).toEqual([]);
});

test("every npm script in the documents exists", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const wrong = documents.flatMap((document) => {
    const text = readFileSync(join(root, document), "utf8");
    return [...text.matchAll(/npm run (?:-s )?([a-z][a-z:-]*)/g)]
      .map(([, name = ""]) => name)
      .filter((name) => !(name in scripts))
      .map((name) => `${document}: npm run ${name}`);
  });
  expect(wrong).toEqual([]);
});
