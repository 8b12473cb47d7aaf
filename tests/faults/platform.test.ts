import { afterEach, describe, expect, test } from "vitest";
import { openRig } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";

describe("Telegram in trouble", () => {
  let rig: Rig;
  afterEach(async () => await rig?.stop());

  async function textsOf(chat: number): Promise<readonly string[]> {
    return (await rig.telegram.remote.messages(chat)).map(({ text }) => text);
  }

  test("429 on a send: the asked wait is kept, then the reply comes, once and unlabelled", async () => {
    rig = await openRig();
    await rig.start();
    await rig.telegram.remote.fault({
      method: "sendMessage",
      kind: "too many requests",
      retryAfterSeconds: 2,
    });
    await rig.say(1001, "echo patient", { includes: "echo patient" });
    await rig.settled();
    expect(await textsOf(1001)).toEqual(["echo patient"]);
    const sends = await rig.telegram.remote.calls("sendMessage");
    expect((sends[1]?.atMs ?? 0) - (sends[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(2000);
  });

  test("a send that was carried out but whose answer was lost comes once more, labelled", async () => {
    rig = await openRig();
    await rig.start();
    await rig.telegram.remote.fault({ method: "sendMessage", kind: "reset", when: "after" });
    await rig.telegram.remote.inject({ from: 1001, text: "echo doubtful" });
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "doubtful",
      count: 2,
      timeoutMs: 20_000,
    });
    await rig.settled();
    const texts = await textsOf(1001);
    expect(texts[0]).toBe("echo doubtful");
    expect(texts).toHaveLength(2);
    expect(texts[1]).toMatch(/repeat[^\n]*\n+echo doubtful/i);
  });

  test("a person who blocked the bot costs one try, and the others are answered", async () => {
    rig = await openRig({ allowedUsers: [1001, 1002] });
    await rig.start();
    await rig.telegram.remote.fault({
      method: "sendMessage",
      match: "1002",
      kind: "refused",
      times: 50,
    });
    await rig.telegram.remote.inject({ from: 1002, text: "echo blocked" });
    await rig.say(1001, "echo others", { includes: "echo others" });
    const tries = (await rig.telegram.remote.calls("sendMessage")).filter(
      ({ params }) => String(params["chat_id"]) === "1002",
    );
    expect(tries.length).toBeLessThanOrEqual(1);
  });

  test("polling that fails (500, reset, 429) goes on, and no message is lost or answered twice", async () => {
    rig = await openRig();
    await rig.start();
    for (const kind of ["server error", "reset", "too many requests"] as const) {
      await rig.telegram.remote.fault({ method: "getUpdates", kind, times: 2 });
      await rig.say(1001, `echo after-${kind.replaceAll(" ", "-")}`, {
        includes: `echo after-${kind.replaceAll(" ", "-")}`,
        timeoutMs: 40_000,
      });
    }
    await rig.settled();
    expect(await textsOf(1001)).toHaveLength(3);
  }, 120_000);

  test("an update that is delivered many times is answered once", async () => {
    rig = await openRig();
    await rig.start();
    for (let times = 0; times < 3; times += 1) {
      await rig.telegram.remote.arm({
        point: "offset moved",
        match: "redelivered",
        action: "drop",
      });
    }
    await rig.telegram.remote.arm({
      point: "update to be delivered",
      match: "redelivered",
      action: "drop",
    });
    await rig.telegram.remote.inject({ from: 1001, text: "echo redelivered" });
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "redelivered",
      timeoutMs: 30_000,
    });
    await rig.say(1001, "echo done", { includes: "echo done", timeoutMs: 30_000 });
    await rig.settled();
    expect(await textsOf(1001)).toEqual(["echo redelivered", "echo done"]);
  }, 90_000);

  test("Telegram is down when the gateway starts: it waits, and works once Telegram is there", async () => {
    rig = await openRig();
    await rig.telegram.remote.fault({ method: "getMe", kind: "server error", times: 2 });
    await rig.start({ timeoutMs: 40_000 });
    const [answer] = await rig.say(1001, "echo late", { includes: "echo late", timeoutMs: 30_000 });
    expect(answer).toBe("echo late");
  }, 90_000);
});
