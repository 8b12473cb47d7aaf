import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRig } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";

const group = -1_000_000_000_001;

describe("in a group", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ allowedUsers: [1001, 1002], channel: { group_trigger: "@Barnacle" } });
    await rig.start();
  });
  afterAll(async () => await rig?.stop());

  async function asked(): Promise<readonly string[]> {
    return (await rig.model.remote.calls()).map(({ lastUser }) => lastUser);
  }

  test("only what is addressed to the bot is answered: a mention, a reply, the trigger word", async () => {
    await rig.telegram.remote.inject({ from: 1001, chat: group, text: "echo unaddressed" });
    const [answer] = await rig.say(1001, `${rig.telegram.botName} echo mentioned`, {
      chat: group,
      includes: "echo mentioned",
    });
    expect(answer).toContain("echo mentioned");
    const [first] = await rig.telegram.remote.messages(group);
    await rig.telegram.remote.inject({
      from: 1002,
      chat: group,
      text: "echo replied",
      replyTo: first?.id ?? 0,
    });
    await rig.telegram.remote.waitForMessages({
      chat: group,
      includes: "echo replied",
      timeoutMs: 10_000,
    });
    await rig.say(1002, "@barnacle, echo triggered", { chat: group, includes: "echo triggered" });
    const texts = (await rig.telegram.remote.messages(group)).map(({ text }) => text);
    expect(texts).toHaveLength(3);
    expect((await asked()).join()).not.toContain("unaddressed");
  });

  test("a person who is not admitted meets silence, also when mentioning the bot", async () => {
    await rig.telegram.remote.inject({
      from: 3003,
      chat: group,
      text: `${rig.telegram.botName} echo intruder`,
    });
    await rig.say(1001, `${rig.telegram.botName} echo afterwards`, {
      chat: group,
      includes: "echo afterwards",
    });
    expect((await asked()).join()).not.toContain("intruder");
    const texts = (await rig.telegram.remote.messages(group)).map(({ text }) => text);
    expect(texts.some((text) => text.includes("intruder"))).toBe(false);
    expect(await rig.telegram.remote.messages(3003)).toEqual([]);
  });

  test("a group has a space and a history of its own", async () => {
    await rig.say(1001, `${rig.telegram.botName} tool in-group`, {
      chat: group,
      includes: "in-group",
    });
    await rig.say(1001, "echo in-private", { includes: "echo in-private" });
    expect(rig.readSpace("main", "effects.log")).toBe("");
    expect(rig.readSpace(`telegram-${group}`, "effects.log")).toBe("in-group\n");
    const [last] = await rig.model.remote.calls(1);
    expect(await rig.model.remote.body(last?.seq ?? 0)).not.toContain("in-group");
  });
});
