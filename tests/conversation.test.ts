import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openRig } from "./support/rig.ts";
import type { Rig } from "./support/rig.ts";

/** platform -> gateway -> model -> tool -> reply, with everything real but the two ends. */
describe.each(["openai", "anthropic"] as const)("a conversation over the %s wire", (provider) => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ provider });
    await rig.start();
  });
  afterAll(async () => await rig?.stop());

  test("a message is answered in its chat, once", async () => {
    await rig.say(1001, "echo hello", { includes: "echo hello" });
    await rig.settled();
    const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text);
    expect(texts.filter((text) => text.includes("echo hello"))).toHaveLength(1);
  });

  test("typing is shown while the answer is made", async () => {
    await rig.say(1001, "slow answer", { includes: "slow answer" });
    const actions = await rig.telegram.remote.calls("sendChatAction");
    expect(actions.at(-1)?.params).toMatchObject({ action: "typing" });
    expect(String(actions.at(-1)?.params["chat_id"])).toBe("1001");
  });

  test("a tool works on the workspace, and its result comes back to the model", async () => {
    await rig.say(1001, "write notes", { includes: "done notes" });
    const file = join(rig.folders.workspace, "spaces/main/notes.txt");
    expect(readFileSync(file, "utf8")).toBe("notes");
    const read = await rig.say(1001, 'call read_file {"path":"notes.txt"}', { includes: "done" });
    expect(read.join("\n")).toContain("notes");
    expect(read.join("\n")).not.toContain("failed");
  });

  test("a command runs in the space of the conversation", async () => {
    await rig.say(1001, "tool m-command", { includes: "done m-command" });
    expect(rig.readSpace("main", "effects.log")).toBe("m-command\n");
  });

  test("two tools of one turn both run, and both results are told", async () => {
    await rig.say(1001, "both m-pair", { includes: "done m-pair" });
    const lines = rig.readSpace("main", "effects.log").split("\n");
    expect(lines.filter((line) => line.startsWith("m-pair")).toSorted()).toEqual([
      "m-pair.a",
      "m-pair.b",
    ]);
    expect((await rig.model.remote.calls(1))[0]?.results).toHaveLength(2);
  });

  test("a tool that does not exist, and one whose input is cut off, are errors for the model", async () => {
    const unknown = await rig.say(1001, "call no_such_tool {}", { includes: "no_such_tool" });
    expect(unknown.join("\n")).toMatch(/There is no tool "no_such_tool"/);
    await rig.say(1001, "broken m-cut", { includes: "m-cut" });
    const [last] = await rig.model.remote.calls(1);
    expect(last?.results[0]?.text).toMatch(/cut off|broken/);
    expect(rig.readSpace("main", "effects.log")).not.toContain("m-cut");
  });

  test("an answer longer than a message is split, nothing is lost, and the order is kept", async () => {
    await rig.say(1001, "long m-long", { includes: "m-long.9" });
    const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text).join("\n");
    const marks = [...texts.matchAll(/m-long\.(\d)/g)].map((match) => match[1]).join("");
    expect(marks).toBe("123456789");
  });

  test("system prompt and tools are the same bytes in every request, and the services would accept each", async () => {
    const calls = await rig.model.remote.calls();
    expect(calls.length).toBeGreaterThan(8);
    expect(new Set(calls.map(({ tools }) => tools)).size).toBe(1);
    expect(new Set(calls.map(({ system }) => withoutCacheMarks(system))).size).toBe(1);
    expect(calls.flatMap(({ complaint }) => complaint ?? [])).toEqual([]);
    expect(JSON.parse(calls[0]?.tools ?? "[]")).not.toHaveLength(0);
  });
});

/** Where Anthropic's cache breakpoints stand may change; the words may not. */
function withoutCacheMarks(system: string): string {
  return system.replaceAll(/,"cache_control":\{[^}]*\}/g, "");
}
