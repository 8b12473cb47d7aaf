import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { barnacleCommand } from "../support/gateway-process.ts";
import { openRig, until } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";

const run = promisify(execFile);
const owner = { channel: "telegram", id: "1001" };

describe("people", () => {
  let rig: Rig;
  afterEach(async () => await rig?.stop());

  test("a stranger is held until the owner allows him, and then his message is answered", async () => {
    rig = await openRig({
      allowedUsers: undefined,
      channel: { allowed_users: undefined },
      config: { owner },
    });
    await rig.start();
    const [told] = await rig.say(2001, "echo let-me-in");
    expect(told).toMatch(/owner/i);
    const [asked] = await rig.telegram.remote.waitForMessages({
      chat: 1001,
      count: 1,
      timeoutMs: 10_000,
    });
    expect(asked?.text).toContain("2001");
    expect(asked?.text).toContain("let-me-in");
    expect(await rig.model.remote.countCalls()).toBe(0);
    const allow = asked?.buttons.find(({ label }) => label === "Allow");
    await rig.telegram.remote.press(1001, asked?.id ?? 0, allow?.data ?? "", 1001);
    const answers = await rig.telegram.remote.waitForMessages({
      chat: 2001,
      includes: "echo let-me-in",
      timeoutMs: 10_000,
    });
    expect(answers).toHaveLength(1);
    await rig.say(2001, "echo welcome", { includes: "echo welcome" });
  });

  test("Block is silence from then on, and only the owner's tap counts", async () => {
    rig = await openRig({
      allowedUsers: undefined,
      channel: { allowed_users: undefined },
      config: { owner },
    });
    await rig.start();
    await rig.say(2001, "echo first");
    const [asked] = await rig.telegram.remote.waitForMessages({
      chat: 1001,
      count: 1,
      timeoutMs: 10_000,
    });
    const button = (label: string): string =>
      asked?.buttons.find((one) => one.label === label)?.data ?? "";
    await rig.telegram.remote.press(1001, asked?.id ?? 0, button("Allow"), 2001);
    await rig.telegram.remote.press(1001, asked?.id ?? 0, button("Block"), 1001);
    await until(
      async () =>
        (await rig.telegram.remote.messages(1001)).some(({ text }) => /blocked/i.test(text)),
      10_000,
      "the outcome shown to the owner",
    );
    await rig.telegram.remote.inject({ from: 2001, text: "echo second" });
    await rig.say(1001, "echo owner", { includes: "echo owner" });
    await rig.settled();
    expect(await rig.telegram.remote.messages(2001)).toHaveLength(1);
    expect((await rig.model.remote.calls()).map(({ lastUser }) => lastUser).join()).not.toMatch(
      /first|second/,
    );
  });

  test("with an allowlist a stranger meets silence: no line, no model call, no download", async () => {
    rig = await openRig({ allowedUsers: [1001] });
    await rig.start();
    const data = new TextEncoder().encode("bytes");
    await rig.telegram.remote.inject({
      from: 2001,
      text: "echo hello",
      document: { name: "a.txt", mediaType: "text/plain", data },
    });
    await rig.say(1001, "echo admitted", { includes: "echo admitted" });
    await rig.settled();
    expect(await rig.telegram.remote.messages(2001)).toEqual([]);
    expect(await rig.model.remote.countCalls()).toBe(1);
    expect(await rig.telegram.remote.countCalls("getFile")).toBe(0);
    expect(await rig.telegram.remote.countCalls("download")).toBe(0);
  });

  test("without an owner, the first to send the one-time code becomes it; a wrong code does nothing", async () => {
    rig = await openRig({ allowedUsers: undefined, channel: { allowed_users: undefined } });
    await rig.start();
    const { folders } = rig;
    const [node = "", ...script] = barnacleCommand();
    const { stdout } = await run(node, [
      ...script,
      "people",
      "code",
      "--config",
      folders.config,
      "--state",
      folders.state,
      "--workspace",
      folders.workspace,
    ]);
    const code = /[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}/.exec(stdout)?.[0] ?? "";
    expect(code).not.toBe("");
    await rig.say(2002, "AAAA-BBBB-CCCC");
    await rig.say(2001, code, { includes: "owner" });
    const [who] = await rig.say(2001, "/whoami");
    expect(who).toMatch(/owner/);
    await rig.say(2001, "echo mine", { includes: "echo mine" });
    const before = (await rig.telegram.remote.messages(2002)).length;
    await rig.telegram.remote.inject({ from: 2002, text: code });
    await rig.say(2001, "echo still-mine", { includes: "echo still-mine" });
    await rig.settled();
    const said = (await rig.telegram.remote.messages(2002)).slice(before).map(({ text }) => text);
    expect(said.join()).not.toMatch(/you are my owner/i);
  });
});
