import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { channelKinds } from "../../src/channels/index.ts";
import { ChannelError } from "../../src/contracts/errors.ts";
import { Secret } from "../../src/lib/secret.ts";
import { createMemoryLog } from "../support/memory-log.ts";

// What every chat platform must do. A new line in the list is tested here without another one.

/** Platforms whose settings are known and whose channel comes later. */
const notBuilt = new Set(["discord", "slack"]);
const canary = "777:Canary_Token";

/** The least settings of a kind, with every secret resolved. */
function settingsOf(kind: (typeof channelKinds)[number], overrides: object = {}) {
  const secrets = kind.questions.filter((question) => question.secret === true);
  const given = Object.fromEntries(secrets.map(({ key }) => [key, "env://TOKEN"]));
  const settings = kind.settings.parse({ ...given, ...overrides });
  for (const value of Object.values(settings)) if (value instanceof Secret) value.resolve(canary);
  return settings;
}

test("names are unique and can stand in a config", () => {
  const names = channelKinds.map((kind) => kind.name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z]+$/);
});

test("the list loads no SDK and no Markdown parser: only an opened channel does", () => {
  const root = join(import.meta.dirname, "../..");
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    const heavy = () => loaded.some((url) => /grammy|micromark/.test(url));
    const { channelKinds } = await import("./src/channels/index.ts");
    const before = heavy();
    const { createTerminal } = await import("./src/channels/terminal/create-terminal.ts");
    console.log(JSON.stringify([before, heavy(), channelKinds.length]));`;
  const done = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: root,
    encoding: "utf8",
  });
  expect([done.stdout, done.stderr]).toEqual([`[false,true,${channelKinds.length}]\n`, ""]);
});

describe.each(channelKinds.map((kind) => [kind.name, kind] as const))("%s", (_, kind) => {
  test("its settings have a sentence each, for the reference and the wizard", () => {
    for (const [key, field] of Object.entries(kind.settings.shape)) {
      expect([key, (field as z.ZodType).description]).toEqual([
        key,
        expect.stringMatching(/^[A-Z].*\.|\.\.\.$/),
      ]);
    }
  });

  test("its settings are its own, so that the common ones can be added", () => {
    const common = [
      "type",
      "allowed_users",
      "allow_from",
      "allowed_chats",
      "pairing",
      "group_trigger",
    ];
    for (const key of common) expect(kind.settings.shape).not.toHaveProperty(key);
    const extended = kind.settings.extend({ allowed_users: z.array(z.string()).optional() });
    expect(() => extended.parse({ ...answers(kind), allowed_users: ["1"] })).not.toThrow();
  });

  test("an unknown setting is a mistake", () => {
    const result = kind.settings.safeParse({ ...answers(kind), no_such_setting: 1 });
    expect(result.error?.issues.map((issue) => issue.code)).toEqual(["unrecognized_keys"]);
  });

  test("its settings have a JSON Schema", () => {
    expect(z.toJSONSchema(kind.settings, { io: "input" })).toMatchObject({
      type: "object",
      additionalProperties: false,
    });
  });

  test("its questions ask for settings that it has", () => {
    for (const question of kind.questions) expect(kind.settings.shape).toHaveProperty(question.key);
  });

  test("its example of a person's id fits, and a name does not", () => {
    const { pattern, example } = kind.userId;
    expect(example).toMatch(pattern);
    for (const wrong of ["", "*", "@ada", "Ada L", `${example} `, `${example}\n`, "-100123", "0"]) {
      expect(wrong).not.toMatch(pattern);
    }
  });

  test("what egress must allow are host names", () => {
    for (const host of kind.hosts(settingsOf(kind)))
      expect(host).toMatch(/^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/);
  });

  test("no setting prints a secret", () => {
    const settings = settingsOf(kind);
    const kinds = Object.values(settings).filter((value) => value instanceof Secret);
    expect(kinds.map((value) => value.reveal())).toEqual(kinds.map(() => canary));
    expect(inspect(settings, { depth: 9 }) + JSON.stringify(settings)).not.toContain("Canary");
  });
});

describe.each(channelKinds.filter(({ name }) => notBuilt.has(name)))("$name", (kind) => {
  test("says that it is not built yet", async () => {
    const failure = await kind
      .open(settingsOf(kind), createMemoryLog())
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ChannelError);
    expect(String(failure)).toContain("not built yet");
  });
});

describe.each(channelKinds.filter(({ name }) => !notBuilt.has(name)))("$name, opened", (kind) => {
  test("opens without a connection, renders, and stops twice", async () => {
    const channel = await kind.open(settingsOf(kind), createMemoryLog());
    expect(channel.maxTextLength).toBeGreaterThan(500);
    expect(channel.render("plain words")).toBe("plain words");
    expect(channel.render("**a** <b> \u001B[2J")).not.toContain("\u001B[2J");
    await channel.stop();
    await channel.stop();
  });

  test("refuses what it cannot send whole, as certainly not sent", async () => {
    const channel = await kind.open(settingsOf(kind), createMemoryLog());
    const file = { name: "a", mediaType: "text/plain", data: new Uint8Array([1]) };
    const to = { channel: kind.name, chat: "42" };
    const signal = new AbortController().signal;
    for (const message of [{ text: "" }, { text: "a", files: [file, file] }]) {
      const failure: unknown = await channel
        .send(to, message, "k", signal)
        .catch((error: unknown) => error);
      expect(failure).toMatchObject({ name: "ChannelError", kind: "rejected", fate: "not-sent" });
    }
    const aborted: unknown = await channel
      .send(to, { text: "a" }, "k", AbortSignal.abort())
      .catch((error: unknown) => error);
    expect(aborted).toMatchObject({ name: "ChannelError", fate: "not-sent" });
    await channel.stop();
  });
});

function answers(kind: (typeof channelKinds)[number]): Record<string, string> {
  return Object.fromEntries(kind.questions.map(({ key }) => [key, "literal"]));
}
