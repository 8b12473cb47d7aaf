import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/contracts/errors.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import { findSecrets } from "../../src/config/secrets.ts";
import { kinds } from "../support/kinds.ts";
import { folderWith, llm, load, mistakesOf, telegram, makeFifo } from "./folder.ts";

test("the seed's Telegram example loads unchanged", () => {
  const { config } = load(`{
  "llm": {
    "provider": "openrouter",
    "api_key": "sk-or-...",
    "model": "anthropic/claude-3.5-sonnet"
  },
  "channel": {
    "type": "telegram",
    "token": "123456789:ABCdefGHI-jklMNO_pqr",
    "allowed_users": [123456789]
  }
}`);
  expect(config.models).toMatchObject([
    { provider: "openrouter", settings: { model: "anthropic/claude-3.5-sonnet" } },
  ]);
  expect(config.channels).toMatchObject([
    {
      name: "telegram",
      kind: "telegram",
      settings: { api_root: "https://api.telegram.org" },
      access: { allowedUsers: ["123456789"], pairing: false },
    },
  ]);
  expect(config.channels[0]?.settings).not.toHaveProperty("allowed_users");
  expect(config.channels[0]?.settings).not.toHaveProperty("type");
  expect(findSecrets(config.channels).map((secret) => secret.reveal())).toEqual([
    "123456789:ABCdefGHI-jklMNO_pqr",
  ]);
});

test("the seed's Discord example loads unchanged, closed to everyone but those the owner lets in", () => {
  const { config } = load(`{
  "llm": {
    "provider": "anthropic",
    "api_key": "sk-ant-...",
    "model": "claude-3-5-sonnet-20241022"
  },
  "channel": {
    "type": "discord",
    "token": "MTIzNDU2Nzg5..."
  }
}`);
  expect(config.channels).toMatchObject([
    { name: "discord", access: { allowedUsers: [], pairing: true } },
  ]);
  expect(config.owners).toEqual([]);
});

test("the seed's Slack example loads unchanged", () => {
  const { config } = load(`{
  "llm": {
    "provider": "openai",
    "api_key": "sk-...",
    "model": "gpt-4o"
  },
  "channel": {
    "type": "slack",
    "bot_token": "xoxb-...",
    "app_token": "xapp-..."
  }
}`);
  expect(config.channels).toMatchObject([{ name: "slack", kind: "slack" }]);
  expect(config.models).toMatchObject([{ provider: "openai", settings: { model: "gpt-4o" } }]);
});

test("comments, a trailing comma and a byte order mark do not matter", () => {
  const { config } = load(`\uFEFF{
    // who answers
    "llm": { "provider": "openai", "api_key": "sk-literal-0001", "model": "m", /* the last */ },
  }`);
  expect(config.models).toHaveLength(1);
});

test("every mistake is told at once, in the file's order, each with its path and line", () => {
  const mistakes = mistakesOf(`{
  "llm": {
    "provider": "opnai",
    "api_key": "env://NOT_SET"
  },
  "channels": {
    "Work": { "type": "telegram", "tokn": "x" },
    "home": { "type": "telegram", "token": "file://nowhere", "allowed_users": ["alice", 5] }
  },
  "agent": { "max_step": 3, "max_minutes": "ten" },
  "log": { "level": "inof" },
  "lmm": {}
}`);
  expect(mistakes.map(({ path, line }) => `${path} ${line}`)).toEqual([
    "llm.model 2",
    "llm.provider 3",
    "llm.api_key 4",
    "channels.Work 7",
    "channels.Work.token 7",
    "channels.Work.tokn 7",
    "channels.home.allowed_users[0] 8",
    "channels.home.token 8",
    "agent.max_minutes 10",
    "agent.max_step 10",
    "log.level 11",
    "lmm 12",
  ]);
  const reasons = Object.fromEntries(mistakes.map(({ path, reason }) => [path, reason]));
  expect(reasons).toMatchObject({
    "llm.provider":
      '"opnai" is not a provider; did you mean "openai"? Known: openrouter, anthropic, openai.',
    "llm.api_key": "The environment variable NOT_SET is not set. Set it, or use file://name.",
    "channels.Work.tokn": 'is not a known key; did you mean "token"?',
    "channels.home.allowed_users[0]":
      '"alice" is a name, and names can be changed by anyone; use the id, such as 123456789.',
    "agent.max_minutes": 'must be a number, not "ten".',
    "agent.max_step": 'is not a known key; did you mean "max_steps"?',
    "log.level":
      'must be "debug", "info", "warn", "error" or "silent", not "inof"; did you mean "info"?',
    lmm: 'is not a known key; did you mean "llm"?',
  });
});

test("a missing key says what it is for", () => {
  expect(mistakesOf({ llm: { provider: "openai", model: "m" } })).toMatchObject([
    { path: "llm.api_key", reason: "is missing. The key, from openai.", line: 2 },
  ]);
  expect(mistakesOf({ llm: { model: "m" } })).toMatchObject([
    {
      path: "llm.provider",
      reason: "is missing; name the provider. Known: openrouter, anthropic, openai.",
    },
  ]);
  expect(mistakesOf({ channel: telegram })).toMatchObject([{ path: "llm" }]);
});

test("what must be there is the caller's to say", () => {
  expect(load({}, { require: [] }).config).toMatchObject({ models: [], channels: [] });
  expect(mistakesOf({ llm }, { require: ["llm", "channel"] })).toMatchObject([{ path: "channel" }]);
  expect(mistakesOf({ llm, channels: {} }, { require: ["llm", "channel"] })).toMatchObject([
    { path: "channel" },
  ]);
});

test.each([
  ['{ "llm": { ', "line 1, column 12"],
  ['{\n  "llm": {}\n  "channel": {}\n}', "line 3, column 3: a comma is missing"],
  ['{ "a": "x }', "a text is not closed"],
  ["{ 'a': 1 }", "this word is not JSON; text stands in double quotes"],
  ["", "line 1, column 1: a value is missing"],
  ["{} {}", "there is something after the end"],
])("broken syntax is told with its place: %s", (text, words) => {
  expect(mistakesOf(text)[0]?.reason).toContain(words);
});

test.each(["[]", '"text"', "null", "7"])("a file that is no object is refused: %s", (text) => {
  expect(mistakesOf(text)).toMatchObject([{ path: "", reason: expect.stringContaining("object") }]);
});

test("a key that stands twice is a mistake, not a silent choice", () => {
  expect(
    mistakesOf(`{ "llm": ${JSON.stringify(llm)},
      "channel": { "type": "telegram", "token": "1:abcdef",
        "allowed_users": [1],
        "allowed_users": ["*"] } }`),
  ).toEqual([
    { path: "channel.allowed_users", reason: "stands twice; remove one of them.", line: 4 },
  ]);
});

test("__proto__ is refused like any unknown key and reaches no object", () => {
  const mistakes = mistakesOf(
    `{ "llm": ${JSON.stringify(llm)}, "agent": { "__proto__": { "max_steps": 1000 } } }`,
  );
  expect(mistakes).toMatchObject([{ path: "agent.__proto__" }]);
});

test("a file nested a hundred thousand deep is refused with a sentence", () => {
  expect(mistakesOf("[".repeat(100_000))[0]?.reason).toMatch(/nested too deeply|Not valid JSON/);
  expect(mistakesOf(`{"agent":${"[".repeat(900)}${"]".repeat(900)}}`)[0]?.reason).toContain(
    "nested too deeply",
  );
});

test("a file that is missing, a folder, a FIFO, too large or no UTF-8 is refused with a sentence", () => {
  const folder = folderWith({
    "large.json": " ".repeat(1_000_001),
    "latin1.json": "",
  });
  makeFifo(join(folder, "fifo.json"));
  writeFileSync(join(folder, "latin1.json"), Buffer.from('{ "a": "\xe4" }', "latin1"));
  const reasonFor = (name: string): string => {
    try {
      loadConfig(join(folder, name), { kinds, env: {} });
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    return "loaded";
  };
  expect(reasonFor("none.json")).toContain("There is no configuration at");
  expect(reasonFor(".")).toMatch(/is a folder|not a regular file/);
  expect(reasonFor("fifo.json")).toContain("not a regular file");
  expect(reasonFor("large.json")).toContain("larger than 1 MB");
  expect(reasonFor("latin1.json")).toContain("not UTF-8");
});

test("retired keys warn and are otherwise as if they were not there", () => {
  const retired = [
    { path: "agent.old_steps", reason: "does nothing since 0.1; use max_steps." },
    { path: "channels.*.old", reason: "does nothing since 0.1." },
  ];
  const config = {
    llm,
    agent: { old_steps: 3 },
    channels: { a: { ...telegram, old: true, pairing: false, allowed_users: [7] } },
  };
  const { warnings } = load(config, { retired });
  expect(warnings).toContainEqual({
    path: "agent.old_steps",
    reason: "does nothing since 0.1; use max_steps.",
    line: 8,
  });
  expect(warnings).toContainEqual(expect.objectContaining({ path: "channels.a.old" }));
  expect(mistakesOf(config).map(({ path }) => path)).toEqual(["agent.old_steps", "channels.a.old"]);
});

test("defaults are filled in and units converted", () => {
  const { config } = load({
    llm,
    agent: { max_minutes: 0.5 },
    sandbox: { idle_seconds: 2, memory_mb: 64 },
    budget: { per_chat_per_day: { usd: 0.5 } },
    policy: { runs: "refuse" },
    health: { port: 8080 },
  });
  expect(config.agent).toEqual({
    name: "Barnacle",
    maxSteps: 25,
    maxTurnMs: 30_000,
    maxTurnTokens: undefined,
    parallelTurns: 5,
  });
  expect(config.sandbox).toMatchObject({
    confine: "auto",
    idleMs: 2000,
    commandMemoryBytes: 67_108_864,
  });
  expect(config.budget).toEqual({
    perDay: { usd: undefined, tokens: undefined },
    perChatPerDay: { usd: 0.5, tokens: undefined },
  });
  expect(config.policy).toEqual({ runs: "refuse" });
  expect(config.health).toEqual({ host: "127.0.0.1", port: 8080 });
  expect(config.tools.fetchUrl.enabled).toBe(true);
  expect(config.log.level).toBe("info");
});

test("fallbacks follow the main model, each with its own provider's settings, and cannot nest", () => {
  const fallback = { provider: "anthropic", api_key: "sk-ant-literal", model: "c" };
  const { config } = load({ llm: { ...llm, fallbacks: [fallback] } });
  expect(config.models.map(({ provider }) => provider)).toEqual(["openrouter", "anthropic"]);
  expect(config.models[0]?.settings).not.toHaveProperty("fallbacks");
  expect(config.models[1]?.settings["base_url"]).toBe("https://api.anthropic.com");
  expect(
    mistakesOf({ llm: { ...llm, fallbacks: [{ ...fallback, fallbacks: [] }] } }),
  ).toMatchObject([{ path: "llm.fallbacks[0].fallbacks" }]);
});

test("a base URL that is none is told with an example", () => {
  expect(mistakesOf({ llm: { ...llm, base_url: "openrouter.ai" } })).toMatchObject([
    { path: "llm.base_url", reason: expect.stringContaining("must be a URL such as") },
  ]);
});

function whyRefused(text: string): ConfigError["mistakes"] {
  try {
    parseConfig("config.json", text, { kinds, env: {} });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
}

test("whatever stands in the file, it loads or is refused with mistakes that have words", () => {
  const good: Record<string, unknown> = {
    llm: { ...llm, fallbacks: [llm] },
    channels: { a: { ...telegram, allowed_users: [1], allowed_chats: [{ id: 2 }] } },
    owner: { channel: "a", id: 1 },
    health: { port: 80 },
  };
  const paths: (readonly string[])[] = [
    ["llm"],
    ["llm", "provider"],
    ["llm", "fallbacks"],
    ["llm", "fallbacks", "0"],
    ["llm", "api_key"],
    ["channels"],
    ["channels", "a"],
    ["channels", "a", "type"],
    ["channels", "a", "allowed_users"],
    ["channels", "a", "allowed_chats"],
    ["channels", "a", "allowed_chats", "0"],
    ["channel"],
    ["owner"],
    ["owner", "id"],
    ["agent"],
    ["tools"],
    ["policy"],
    ["budget"],
    ["health"],
    ["log"],
  ];
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      const config = structuredClone(good);
      let parent = config;
      for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
      parent[path.at(-1) ?? ""] = value;
      const mistakes = whyRefused(JSON.stringify(config));
      if (mistakes.length > 0) refused += 1;
      expect(
        mistakes.filter(
          ({ path, reason, line }) => path === "" || !/[a-z]{2}.*[.?]$/.test(reason) || line !== 1,
        ),
      ).toEqual([]);
    }),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(50);
});

test("a mistyped provider or channel type does not hide the mistakes in its block", () => {
  const text = `{
    "llm": { "provider": "opnrouter", "api_kye": "x", "modle": "m" },
    "channel": { "type": "telegrm", "tokn": "1:a" }
  }`;
  const check = (): unknown => parseConfig("config.json", text, { kinds, env: {} });
  expect(check).toThrow(/provider: "opnrouter" is not a provider; did you mean "openrouter"/);
  expect(check).toThrow(/llm\.api_kye: .*did you mean "api_key"/);
  expect(check).toThrow(/llm\.modle: .*did you mean "model"/);
  expect(check).toThrow(/channel\.tokn: .*did you mean "token"/);
});
