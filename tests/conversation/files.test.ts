import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRig } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";

/** The smallest PNG there is. */
const png = new Uint8Array(
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "base64",
  ),
);

describe.each(["openai", "anthropic"] as const)("files over the %s wire", (provider) => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ provider });
    await rig.start();
  });
  afterAll(async () => await rig?.stop());

  test("a document lands in the workspace, and the model is told where", async () => {
    const data = new TextEncoder().encode("first line\nsecond line\n");
    const document = { name: "report.txt", mediaType: "text/plain", data };
    await rig.telegram.remote.inject({ from: 1001, text: "echo got-it", document });
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "echo got-it",
      timeoutMs: 15_000,
    });
    const [call] = await rig.model.remote.calls(1);
    const path = /\[File: ([^,\]]+)/.exec(call?.lastUser ?? "")?.[1] ?? "";
    expect(path).toContain("report");
    expect(rig.readSpace("main", path)).toBe("first line\nsecond line\n");
    const read = await rig.say(1001, `call read_file {"path":"${path}"}`, { includes: "done" });
    expect(read.join()).toContain("second line");
  });

  test("a document's name cannot leave the space", async () => {
    const data = new TextEncoder().encode("evil");
    const document = { name: "../../../evil.txt", mediaType: "text/plain", data };
    await rig.telegram.remote.inject({ from: 1001, text: "echo named", document });
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "echo named",
      timeoutMs: 15_000,
    });
    const [call] = await rig.model.remote.calls(1);
    const path = /\[File: ([^,\]]+)/.exec(call?.lastUser ?? "")?.[1] ?? "";
    expect(path.split("/")).not.toContain("..");
    expect(rig.readSpace("main", path)).toBe("evil");
    expect(rig.readSpace("..", "evil.txt") + rig.readSpace("../..", "evil.txt")).toBe("");
  });

  test("the model sees a photo", async () => {
    await rig.telegram.remote.inject({ from: 1001, text: "echo seen", photo: png });
    await rig.telegram.remote.waitForMessages({
      chat: 1001,
      includes: "echo seen",
      timeoutMs: 15_000,
    });
    const [call] = await rig.model.remote.calls(1);
    expect(call?.images).toHaveLength(1);
    expect(call?.images[0]?.bytes).toBe(png.length);
  });

  test("a conversation is exported as a file", async () => {
    await rig.say(1001, "echo before-export", { includes: "echo before-export" });
    await rig.telegram.remote.inject({ from: 1001, text: "/export" });
    let file;
    for (let tries = 0; file === undefined && tries < 200; tries += 1) {
      file = (await rig.telegram.remote.messages(1001)).find(
        (message) => message.file !== undefined,
      )?.file;
      if (file === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(new TextDecoder().decode(file?.data)).toContain("echo before-export");
  });
});
