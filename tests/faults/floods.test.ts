import { afterEach, describe, expect, test } from "vitest";
import { openRig, until } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";

describe("floods", () => {
  let rig: Rig;
  afterEach(async () => await rig?.stop());

  test("a burst of 100 messages of one chat is answered in order, each once", async () => {
    rig = await openRig();
    await rig.start();
    const numbers = Array.from({ length: 100 }, (_, index) => `n${String(index).padStart(3, "0")}`);
    await rig.telegram.remote.injectMany(
      numbers.map((number) => ({ from: 1001, text: `echo ${number}` })),
    );
    await rig.telegram.remote.waitForMessages({ chat: 1001, count: 100, timeoutMs: 90_000 });
    await rig.settled();
    const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text);
    expect(texts).toEqual(numbers.map((number) => `echo ${number}`));
  }, 120_000);

  test("50 chats at once: each is answered, and the owner does not wait for the others", async () => {
    const people = Array.from({ length: 50 }, (_, index) => 2000 + index);
    rig = await openRig({
      allowedUsers: [1001, ...people],
      config: { owner: { channel: "telegram", id: "1001" } },
    });
    await rig.start();
    const hold = await rig.model.remote.arm({
      point: "request received",
      match: "crowd",
      action: "hold",
      times: 50,
    });
    // All four may come at once, so they are counted from the start, not waited for one after the other.
    const full = Promise.withResolvers<void>();
    let reached = 0;
    const stopCounting = rig.model.onEvent(({ type }) => {
      if (type === "reached") reached += 1;
      if (reached === 4) full.resolve();
    });
    await rig.telegram.remote.injectMany(
      people.map((from) => ({ from, text: `echo crowd-${from}` })),
    );
    await full.promise;
    stopCounting();
    await rig.say(1001, "echo owner-first", { includes: "echo owner-first" });
    await rig.model.remote.release(hold, "go");
    await until(
      async () => (await rig.telegram.remote.messages()).length >= 51,
      60_000,
      "an answer in each of the chats",
    );
    await rig.settled();
    const chats = (await rig.telegram.remote.messages()).map(({ chat }) => chat);
    expect(new Set(chats).size).toBe(51);
    expect(chats).toHaveLength(51);
  }, 120_000);

  test("10,000 messages of strangers cost no model call, no download and no reply, and the owner is still answered", async () => {
    rig = await openRig();
    await rig.start();
    const data = new TextEncoder().encode("x");
    const document = { name: "a.txt", mediaType: "text/plain", data };
    for (let batch = 0; batch < 10; batch += 1) {
      await rig.telegram.remote.injectMany(
        Array.from({ length: 1000 }, (_, index) => {
          const from = 10_000 + ((batch * 1000 + index) % 500);
          return index % 100 === 0
            ? { from, text: "echo let me in", document }
            : { from, text: "echo let me in" };
        }),
      );
    }
    await rig.say(1001, "echo still-here", { includes: "echo still-here", timeoutMs: 90_000 });
    await rig.settled(60_000);
    expect(await rig.model.remote.countCalls()).toBe(1);
    expect(await rig.telegram.remote.countCalls("getFile")).toBe(0);
    expect(await rig.telegram.remote.messages()).toHaveLength(1);
    expect(await rig.telegram.remote.countCalls("sendMessage")).toBe(1);
  }, 180_000);

  test("with pairing, a crowd of strangers is bounded: one line each at most, and the owner is not flooded", async () => {
    rig = await openRig({
      channel: { allowed_users: undefined },
      config: { owner: { channel: "telegram", id: "1001" } },
    });
    await rig.start();
    const strangers = Array.from({ length: 1000 }, (_, index) => 20_000 + (index % 400));
    await rig.telegram.remote.injectMany(strangers.map((from) => ({ from, text: "echo hello" })));
    await rig.say(1001, "echo owner", { includes: "echo owner", timeoutMs: 90_000 });
    await rig.settled(90_000);
    const messages = await rig.telegram.remote.messages();
    const toStrangers = messages.filter(({ chat }) => chat !== 1001).map(({ chat }) => chat);
    expect(new Set(toStrangers).size).toBe(toStrangers.length);
    expect(toStrangers.length).toBeLessThanOrEqual(200);
    expect(await rig.model.remote.countCalls()).toBe(1);
  }, 180_000);
});
