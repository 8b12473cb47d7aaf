import { join } from "node:path";
import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { configCommand } from "../../src/cli/config.ts";
import { folderWith, llm, telegram } from "../config/folder.ts";
import { kinds } from "../support/kinds.ts";

const canary = "canary-5f1e0c77";

async function run(config: unknown, ...words: string[]) {
  const folder = folderWith({ "config.json": JSON.stringify(config, undefined, 2) });
  const result = { out: "", error: "", code: 0 };
  const command = configCommand({
    kinds,
    env: {},
    configFile: () => join(folder, "config.json"),
    writeOut: (text) => void (result.out += text),
    writeError: (text) => void (result.error += text),
    setExitCode: (code) => void (result.code = code),
  });
  for (const each of [command, ...command.commands]) {
    each.configureOutput({
      writeOut: (text) => void (result.out += text),
      writeErr: (text) => void (result.error += text),
    });
  }
  await command.parseAsync(words, { from: "user" });
  return result;
}

const good = { llm: { ...llm, api_key: canary }, channel: { ...telegram, allowed_users: [5] } };
const bad = { llm: { ...llm, modle: "x" }, channel: { ...telegram, allowed_users: ["alice"] } };

test("check says that a good config is right, with its warnings", async () => {
  const { out, error, code } = await run(good, "check");
  expect(code).toBe(0);
  expect(out).toMatch(/config\.json is right\.\n/);
  expect(out).toContain("Warning: llm.api_key stands in the config file in clear");
  expect(error).toBe("");
});

test("check tells every mistake on stderr and exits 78", async () => {
  const { out, error, code } = await run(bad, "check");
  expect(code).toBe(78);
  expect(out).toBe("");
  expect(error).toContain('llm.modle: is not a known key; did you mean "model"? (line 6)');
  expect(error).toContain('channel.allowed_users[0]: "alice" is a name');
});

test("with --json success and failure are one object each on stdout", async () => {
  const fine = await run(good, "check", "--json");
  expect(JSON.parse(fine.out)).toMatchObject({
    schemaVersion: 1,
    ok: true,
    data: { warnings: [{}, {}] },
  });
  const wrong = await run(bad, "show", "--json");
  expect(wrong.code).toBe(78);
  expect(JSON.parse(wrong.out)).toMatchObject({
    schemaVersion: 1,
    ok: false,
    error: {
      code: "config-invalid",
      mistakes: [{ path: "llm.modle" }, { path: "channel.allowed_users[0]" }],
    },
  });
});

test("show prints the effective config without any secret", async () => {
  const { out } = await run(good, "show");
  expect(JSON.parse(out)).toMatchObject({ llm: { api_key: "[secret]" }, agent: { max_steps: 25 } });
  expect(out).not.toContain(canary);
});

test("schema prints the JSON Schema, even where there is no good config", async () => {
  const { out, code } = await run(bad, "schema");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ $id: "config.schema.json", type: "object" });
});

test("explain tells value, place and meaning; an unknown path is a usage mistake", async () => {
  const { out } = await run(good, "explain", "channel.allowed_users");
  expect(out).toContain("channel.allowed_users = [5]\nfrom: ");
  expect(out).toContain("line 10");
  const wrong = await run(good, "explain", "agent.max_stps");
  expect(wrong).toMatchObject({
    out: "",
    code: 2,
    error: expect.stringContaining('"agent.max_steps"'),
  });
});

test("a usage mistake is thrown for the command line to exit with", async () => {
  await expect(run(good, "explain")).rejects.toBeInstanceOf(CommanderError);
  await expect(run(good, "check", "--jsn")).rejects.toBeInstanceOf(CommanderError);
});
