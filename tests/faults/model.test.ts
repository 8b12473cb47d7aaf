import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRig } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";
import { readState } from "../support/state-reader.ts";

describe.each(["openai", "anthropic"] as const)("a model in trouble (%s)", (provider) => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ provider });
    await rig.start();
  });
  afterAll(async () => await rig?.stop());

  test("429 with a wait: the message is answered after it, and the wait is kept", async () => {
    await rig.model.remote.fault({ match: "limited", status: 429, retryAfterSeconds: 2 });
    await rig.say(1001, "echo limited", { includes: "echo limited", timeoutMs: 25_000 });
    const calls = (await rig.model.remote.calls()).filter(({ lastUser }) =>
      lastUser.includes("limited"),
    );
    expect(calls).toHaveLength(2);
    expect((calls[1]?.atMs ?? 0) - (calls[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(2000);
  }, 40_000);

  test("two failures in a row: the third try answers, once", async () => {
    await rig.model.remote.fault({ match: "wobbly", status: 500, times: 2 });
    await rig.say(1001, "echo wobbly", { includes: "echo wobbly", timeoutMs: 60_000 });
    await rig.settled();
    const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text);
    expect(texts.filter((text) => text.includes("wobbly"))).toHaveLength(1);
  }, 90_000);

  test("401: no storm of retries, and the sender is told", async () => {
    await rig.model.remote.fault({ match: "forbidden", status: 401, times: 100 });
    const before = await rig.model.remote.countCalls();
    const answers = await rig.say(1001, "echo forbidden", { timeoutMs: 30_000 });
    expect(answers.join()).toMatch(/key|refused|401|not answer/i);
    expect((await rig.model.remote.countCalls()) - before).toBeLessThanOrEqual(3);
    await rig.model.remote.clearFaults();
    await rig.say(1001, "echo after-401", { includes: "echo after-401" });
  }, 60_000);

  test("a message that always fails is tried three times, told to its sender, and the queue goes on", async () => {
    const before = await rig.model.remote.countCalls();
    await rig.telegram.remote.inject({ from: 1001, text: "fail poison" });
    await rig.telegram.remote.inject({ from: 1001, text: "echo behind-poison" });
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "behind-poison",
      timeoutMs: 90_000,
    });
    const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text);
    expect(texts.slice(-2)[0]).toMatch(/could not answer/i);
    expect(texts.at(-1)).toBe("echo behind-poison");
    const tries = (await rig.model.remote.calls())
      .slice(before - (await rig.model.remote.countCalls()))
      .filter(({ lastUser }) => lastUser.endsWith("fail poison"));
    expect(tries).toHaveLength(3);
    const failed = readState(rig.folders.state).inbox.filter(({ state }) => state === "failed");
    expect(failed.length).toBeGreaterThanOrEqual(1);
  }, 120_000);
});

describe("a silent model", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ allowedUsers: [1001, 1002] });
    await rig.start();
  });
  afterAll(async () => await rig?.stop());

  test("holds up nobody else, and /stop frees its chat", async () => {
    await rig.telegram.remote.inject({ from: 1002, text: "silence now" });
    await rig.say(1001, "echo unhindered", { includes: "echo unhindered" });
    const [stopped] = await rig.say(1002, "/stop");
    expect(stopped).toMatch(/stopped/i);
    const [freed] = await rig.say(1002, "echo freed", { includes: "echo freed" });
    expect(freed).toBe("echo freed");
  });

  test.runIf(process.env["SLOW_TESTS"] === "1")(
    "is given up after 90 s and tried again",
    async () => {
      await rig.telegram.remote.inject({ from: 1002, text: "silence again" });
      await rig.model.nextEvent((event) => event.type === "called", 10_000, "the first call");
      const second = await rig.model.nextEvent(
        (event) => event.type === "called",
        150_000,
        "the second call",
      );
      expect(second).toMatchObject({
        lastUser: expect.stringContaining("silence again") as string,
      });
    },
    200_000,
  );
});
