import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRig, until } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";

describe("commands in the chat", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({
      allowedUsers: [1001, 1002],
      config: { owner: { channel: "telegram", id: "1001" } },
    });
    await rig.start();
  });
  afterAll(async () => await rig?.stop());

  test("are registered with Telegram", async () => {
    await until(
      async () => (await rig.telegram.remote.countCalls("setMyCommands")) > 0,
      10_000,
      "the command menu",
    );
    const names = JSON.stringify(await rig.telegram.remote.commands());
    for (const name of [
      "help",
      "new",
      "stop",
      "status",
      "model",
      "usage",
      "whoami",
      "compact",
      "export",
    ]) {
      expect(names).toContain(`"${name}"`);
    }
  });

  test("/help, /status, /whoami and /usage answer without the model", async () => {
    const before = await rig.model.remote.countCalls();
    const [help] = await rig.say(1001, "/help");
    expect(help).toContain("/new");
    const [status] = await rig.say(1001, "/status");
    expect(status).toContain("scripted");
    const [owner] = await rig.say(1001, "/whoami");
    expect(owner).toMatch(/1001.*owner/s);
    const [member] = await rig.say(1002, "/whoami");
    expect(member).toMatch(/1002/);
    expect(member).not.toMatch(/owner/);
    expect((await rig.say(1001, "/usage")).join()).not.toBe("");
    expect(await rig.model.remote.countCalls()).toBe(before);
  });

  test("/usage counts what the model used", async () => {
    await rig.say(1002, "echo counted", { includes: "echo counted" });
    const [usage] = await rig.say(1002, "/usage");
    expect(usage).toMatch(/\d/);
    expect(usage).toMatch(/110|100/);
  });

  test("/new starts afresh: the model no longer sees what was said, the history keeps it", async () => {
    await rig.say(1001, "echo secret-of-old", { includes: "echo secret-of-old" });
    await rig.say(1001, "/new");
    await rig.say(1001, "echo afresh", { includes: "echo afresh" });
    const [last] = await rig.model.remote.calls(1);
    expect(await rig.model.remote.body(last?.seq ?? 0)).not.toContain("secret-of-old");
  });

  test("/stop ends a running turn at once, and the next message is answered", async () => {
    const before = await rig.model.remote.countCalls();
    await rig.telegram.remote.inject({ from: 1001, text: "silence please" });
    await until(
      async () => (await rig.model.remote.countCalls()) > before,
      10_000,
      "the model call",
    );
    const [stopped] = await rig.say(1001, "/stop");
    expect(stopped).toMatch(/stopped/i);
    await rig.say(1001, "echo goes-on", { includes: "echo goes-on" });
    await rig.settled();
  });

  test("/stop ends a running command, with all that it started", async () => {
    await rig.telegram.remote.inject({ from: 1001, text: "hang stopped-command" });
    await until(
      () => rig.readSpace("main", "effects.log").includes("stopped-command"),
      10_000,
      "the command at work",
    );
    await rig.say(1001, "/stop");
    await rig.say(1001, "echo after-command", { includes: "echo after-command" });
    expect(rig.readSpace("main", "effects.log").match(/stopped-command/g)).toHaveLength(1);
  });

  test("a message during a turn waits, and is answered after it", async () => {
    const rule = await rig.model.remote.arm({
      point: "mid-stream",
      match: "first-held",
      action: "hold",
    });
    const reached = rig.model.nextEvent((event) => event.type === "reached", 10_000, "the hold");
    await rig.telegram.remote.inject({ from: 1001, text: "echo first-held" });
    await reached;
    await rig.telegram.remote.inject({ from: 1001, text: "echo second-waits" });
    await rig.say(1002, "echo other-chat", { includes: "echo other-chat" });
    await rig.model.remote.release(rule, "go");
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "second-waits",
      timeoutMs: 10_000,
    });
    const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text);
    expect(texts.slice(-2)).toEqual(["echo first-held", "echo second-waits"]);
  });

  test("a model that never ends its tool calls is ended with a sentence", async () => {
    const answers = await rig.say(1001, "endless x", { includes: "steps", timeoutMs: 25_000 });
    expect(answers.at(-1)).toMatch(/25 steps/);
  });
});
