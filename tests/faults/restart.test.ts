import { afterEach, describe, expect, test } from "vitest";
import { sharedNowMs } from "../support/counterparts/remote.ts";
import { openRig, until } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";
import { readState } from "../support/state-reader.ts";

describe("ending and starting again", () => {
  let rig: Rig;
  afterEach(async () => await rig?.stop());

  test("a second gateway on the same state leaves with 9 and a sentence, and the first goes on", async () => {
    rig = await openRig();
    await rig.start();
    const second = rig.launch();
    const exit = await second.exited;
    expect(exit.code).toBe(9);
    expect(second.lines.join("\n")).toMatch(/already|another/i);
    await rig.say(1001, "echo first-goes-on", { includes: "echo first-goes-on" });
  });

  test("SIGTERM in the middle of an answer: exit 0 within 10 s, and the answer comes after the next start, once", async () => {
    rig = await openRig();
    const gateway = await rig.start();
    const called = rig.model.nextEvent(
      (event) => event.type === "called",
      10_000,
      "the model call",
    );
    const hold = await rig.model.remote.arm({
      point: "mid-stream",
      match: "resumed",
      action: "hold",
    });
    await rig.telegram.remote.inject({ from: 1001, text: "echo resumed" });
    await called;
    const before = sharedNowMs();
    expect(await gateway.stop(10_000)).toEqual({ code: 0, signal: null });
    expect(sharedNowMs() - before).toBeLessThan(10_000);
    await rig.model.remote.release(hold, "drop");
    expect(await rig.telegram.remote.messages(1001)).toEqual([]);
    await rig.start();
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "echo resumed",
      timeoutMs: 15_000,
    });
    await rig.settled();
    expect((await rig.telegram.remote.messages(1001)).map(({ text }) => text)).toEqual([
      "echo resumed",
    ]);
  });

  test("SIGTERM in the middle of a tool: exit 0, the model is told of the interruption, the tool is not repeated", async () => {
    rig = await openRig();
    const gateway = await rig.start();
    await rig.telegram.remote.inject({ from: 1001, text: "hang in-tool" });
    await until(
      () => rig.readSpace("main", "effects.log").includes("in-tool"),
      15_000,
      "the tool at work",
    );
    expect((await gateway.stop(10_000)).code).toBe(0);
    await rig.start();
    const [answer] = await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "in-tool",
      timeoutMs: 15_000,
    });
    expect(answer?.text).toMatch(/interrupted in-tool/);
    expect(rig.readSpace("main", "effects.log")).toBe("in-tool\n");
  });

  test("an idle gateway stops at once with 0, twice as well, and leaves no process behind", async () => {
    rig = await openRig();
    const gateway = await rig.start();
    await rig.say(1001, "tool warm", { includes: "done warm" });
    const stopping = until(
      () => gateway.lines.some((line) => line.includes('"stopping"')),
      5000,
      "the first signal was heard",
    );
    process.kill(gateway.pid, "SIGTERM");
    // Otherwise the kernel may make one signal of the two.
    await Promise.race([stopping, gateway.exited]);
    expect((await gateway.stop(10_000)).code).toBe(0);
    const { processesUsing } = await import("../support/rig.ts");
    await until(() => processesUsing(rig.folders.root).length === 0, 5000, "no process left");
  });

  test("a history that ends in a half-finished tool turn is taken up, and the model accepts it", async () => {
    rig = await openRig({ provider: "anthropic" });
    const first = await rig.start();
    const rule = await rig.model.remote.arm({ point: "last byte", match: "half", action: "tell" });
    const reached = rig.model.nextEvent(
      (event) => event.type === "reached",
      10_000,
      "the tool call",
    );
    await rig.telegram.remote.inject({ from: 1001, text: "both half" });
    await reached;
    await first.kill();
    await rig.model.remote.release(rule, "go");
    await rig.start();
    const answers = await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "half",
      timeoutMs: 15_000,
    });
    expect(answers).toHaveLength(1);
    await rig.say(1001, "echo next", { includes: "echo next" });
    const calls = await rig.model.remote.calls();
    expect(calls.flatMap(({ complaint }) => complaint ?? [])).toEqual([]);
    const lines = rig.readSpace("main", "effects.log").split("\n").filter(Boolean);
    expect(new Set(lines).size).toBe(lines.length);
    expect(readState(rig.folders.state).integrity).toBe("ok");
  });
});
