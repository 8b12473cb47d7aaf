import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRig, until } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";

describe("an edited message", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig();
    await rig.start();
  });
  afterAll(async () => await rig?.stop());

  test("that waits is replaced, in its place", async () => {
    const rule = await rig.model.remote.arm({
      point: "request received",
      match: "in-the-way",
      action: "hold",
    });
    const reached = rig.model.nextEvent((event) => event.type === "reached", 10_000, "the hold");
    await rig.telegram.remote.inject({ from: 1001, text: "echo in-the-way" });
    await reached;
    const { id } = await rig.telegram.remote.inject({ from: 1001, text: "echo typo" });
    await rig.telegram.remote.inject({ from: 1001, text: "echo last" });
    await rig.telegram.remote.edit(1001, id, "echo corrected");
    const isAccepted = async (): Promise<boolean> =>
      (await rig.telegram.remote.queue()).waiting === 0;
    await until(isAccepted, 10_000, "the edit accepted");
    await rig.model.remote.release(rule, "go");
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "echo last",
      timeoutMs: 10_000,
    });
    await rig.settled();
    const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text);
    expect(texts).toEqual(["echo in-the-way", "echo corrected", "echo last"]);
  });

  test("that was answered is new input", async () => {
    const { id } = await rig.telegram.remote.inject({ from: 1001, text: "echo before" });
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "echo before",
      timeoutMs: 10_000,
    });
    await rig.settled();
    await rig.telegram.remote.edit(1001, id, "echo after");
    const [answer] = await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "echo after",
      timeoutMs: 10_000,
    });
    expect(answer?.text).toBe("echo after");
  });
});
