import { expect, test } from "vitest";
import { effectiveConfig, explain } from "../../src/config/explain.ts";
import { llm, load, telegram } from "./folder.ts";

const canary = "canary-5f1e0c77";
const loaded = () =>
  load(
    {
      llm: { ...llm, api_key: canary },
      channels: { work: { ...telegram, token: "env://TOKEN" } },
      agent: { max_steps: 7 },
    },
    { env: { TOKEN: canary } },
  );

test("a value that stands in the file is explained with its line and its meaning", () => {
  expect(explain(loaded(), "agent.max_steps")).toEqual({
    path: "agent.max_steps",
    value: 7,
    from: expect.stringMatching(/config\.json, line 14$/),
    meaning: "Model calls in one turn, at most.",
  });
});

test("a default is told as one, and a key without value as not set", () => {
  expect(explain(loaded(), "agent.parallel_turns")).toMatchObject({ value: 5, from: "default" });
  expect(explain(loaded(), "channels.work.api_root")).toMatchObject({
    value: "https://api.telegram.org",
    from: "default",
  });
  expect(explain(loaded(), "health.host")).toMatchObject({ value: "127.0.0.1", from: "default" });
  expect(explain(loaded(), "owner")).toMatchObject({ value: undefined, from: "not set" });
});

test("a secret is explained by where it comes from and its length, never by itself", () => {
  const literal = explain(loaded(), "llm.api_key");
  expect(literal).toMatchObject({ value: "[secret]", meaning: "The key, from openrouter." });
  expect(literal.from).toMatch(/line 4; literal, 15 characters$/);
  const reference = explain(loaded(), "channels.work.token");
  expect(reference).toMatchObject({ value: "env://TOKEN" });
  expect(reference.from).toMatch(/env:\/\/TOKEN, 15 characters$/);
  expect(JSON.stringify([literal, reference, effectiveConfig(loaded())])).not.toContain(canary);
});

test("a whole section is explained with its secrets masked", () => {
  expect(explain(loaded(), "llm")).toMatchObject({
    value: { api_key: "[secret]", model: "some/model" },
  });
});

test("a path that the config cannot have names the nearest that it can", () => {
  expect(() => explain(loaded(), "agent.max_step")).toThrow('did you mean "agent.max_steps"?');
  expect(() => explain(loaded(), "agnet.max_steps")).toThrow('did you mean "agent"?');
  expect(() => explain(loaded(), "agent.max_steps.x")).toThrow("There is no");
  expect(() => explain(loaded(), "..")).toThrow("is not a path");
  expect(() => explain(loaded(), "constructor")).toThrow("There is no");
});

test("the effective config has the defaults filled in and loads again", () => {
  const effective = effectiveConfig(loaded());
  expect(effective).toMatchObject({
    agent: { max_steps: 7, max_minutes: 10 },
    sandbox: { confine: "auto" },
  });
  expect(() => load(effective, { env: { TOKEN: canary } })).not.toThrow();
});
