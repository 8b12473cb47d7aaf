import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { resolveSecret } from "../../src/config/secrets.ts";
import { kinds } from "../support/kinds.ts";
import { folderWith, llm, load, mistakesOf, makeFifo } from "./folder.ts";

const canary = "canary-5f1e0c77";

function resolveIn(folder: string, reference: string) {
  return resolveSecret(reference, {
    configFile: join(folder, "config.json"),
    env: { EMPTY: " ", KEY: ` ${canary}\n` },
  });
}

function warnedPathsWhenOpen(config: object): string[] {
  const folder = folderWith({ key: canary });
  const file = join(folder, "config.json");
  writeFileSync(file, JSON.stringify(config));
  chmodSync(file, 0o644);
  return loadConfig(file, { kinds, env: {} }).warnings.map(({ path }) => path);
}

test("a secret is found beside the config, then in secrets/, and is trimmed", () => {
  const folder = folderWith({
    key: `${canary}\n`,
    "secrets/key": "other",
    "secrets/deep": ` ${canary} `,
  });
  expect(resolveIn(folder, "file://key")).toEqual({ value: canary, warning: undefined });
  expect(resolveIn(folder, "file://deep")).toEqual({ value: canary, warning: undefined });
  expect(resolveIn(folder, "file://secrets/key")).toMatchObject({ value: "other" });
});

test("a secret comes from the environment, and an empty or missing one is a mistake", () => {
  const folder = folderWith({});
  expect(resolveIn(folder, "env://KEY")).toEqual({ value: canary, warning: undefined });
  expect(resolveIn(folder, "env://EMPTY")).toMatchObject({
    mistake: expect.stringContaining("is empty"),
  });
  expect(resolveIn(folder, "env://NONE")).toMatchObject({
    mistake: expect.stringContaining("is not set"),
  });
  expect(resolveIn(folder, "env://A-B")).toMatchObject({
    mistake: expect.stringContaining("does not name"),
  });
});

test("a secret file outside the config's folder is out of reach by path and by link", () => {
  const outside = folderWith({ key: canary });
  const folder = folderWith({ inside: canary });
  symlinkSync(join(outside, "key"), join(folder, "link"));
  symlinkSync(outside, join(folder, "secrets"));
  symlinkSync("inside", join(folder, "good-link"));
  for (const name of [
    "../key",
    `${outside}/key`,
    "a/../../key",
    "link",
    "secrets/key",
    "key",
    "",
    "a\0b",
    "..\\key",
  ]) {
    const result = resolveIn(folder, `file://${name}`);
    expect({ name, ...result }).toHaveProperty("mistake");
    expect(JSON.stringify(result)).not.toContain(canary);
  }
  expect(resolveIn(folder, "file://good-link")).toMatchObject({ value: canary });
});

test("an empty, huge, many-lined or special file is a mistake that does not hang and shows nothing of it", () => {
  const folder = folderWith({
    empty: " \n",
    huge: canary.repeat(10_000),
    lines: `${canary}\nsecond`,
    binary: `${canary}\0`,
  });
  mkdirSync(join(folder, "folder"));
  makeFifo(join(folder, "fifo"));
  const words = {
    empty: "is empty",
    huge: "larger than 64 KB",
    lines: "several lines",
    binary: "control characters",
    folder: "not a regular file",
    fifo: "not a regular file",
    none: "is not there",
  };
  for (const [name, expected] of Object.entries(words)) {
    const result = resolveIn(folder, `file://${name}`);
    expect(result).toMatchObject({ mistake: expect.stringContaining(expected) });
    expect(JSON.stringify(result)).not.toContain(canary);
  }
});

test("a secret file that everyone can read works, with a warning", () => {
  const folder = folderWith({ key: canary });
  chmodSync(join(folder, "key"), 0o644);
  expect(resolveIn(folder, "file://key")).toMatchObject({
    value: canary,
    warning: expect.stringContaining("chmod 600"),
  });
});

test("a literal works, with a warning; a placeholder is named as one", () => {
  const { warnings } = load({ llm: { ...llm, api_key: canary } });
  expect(warnings).toEqual([
    { path: "llm.api_key", reason: expect.stringContaining("in clear"), line: 4 },
  ]);
  for (const value of ["sk-or-...", "YOUR-BOT-TOKEN", "REPLACE_WITH_KEY", "<token>", "xxxxxxxx"]) {
    expect(load({ llm: { ...llm, api_key: value } }).warnings[0]?.reason).toContain("placeholder");
  }
});

test("a config with literals that everyone can read gets a warning, one with references does not", () => {
  expect(warnedPathsWhenOpen({ llm })).toContain("");
  expect(warnedPathsWhenOpen({ llm: { ...llm, api_key: "file://key" } })).toEqual([]);
});

test("every secret is resolved, handed out for redaction, and prints as [secret]", () => {
  const { config, secretValues } = load(
    {
      llm: { ...llm, api_key: "file://a", fallbacks: [{ ...llm, api_key: "env://B" }] },
      channels: { work: { type: "slack", bot_token: "file://a", app_token: "literal-c" } },
    },
    { env: { B: "value-b" } },
    { a: canary },
  );
  expect([...secretValues].sort()).toEqual([canary, canary, "literal-c", "value-b"]);
  const printed = inspect(config, { depth: 10 }) + JSON.stringify(config);
  expect(printed).not.toContain(canary);
  expect(printed).not.toContain("value-b");
  expect(printed).toContain("[secret]");
});

test("secrets are looked up even where the rest of the file is wrong, and no message shows a value", () => {
  const mistakes = mistakesOf(
    {
      llm: { provider: "nobody", api_key: "file://none", model: 5, extra: canary },
      channel: { type: "telegram", token: [canary], allowed_users: ["x"] },
      channels: { b: { type: "slack", bot_token: 7, app_token: `ftp://${canary}` } },
    },
    {},
  );
  const paths = mistakes.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining([
      "llm.provider",
      "llm.api_key",
      "channel.token",
      "channels.b.bot_token",
      "channels.b.app_token",
    ]),
  );
  expect(JSON.stringify(mistakes)).not.toContain(canary);
});
