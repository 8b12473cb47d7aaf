import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type IPty, spawn as spawnTerminal } from "@lydell/node-pty";
import { afterEach, describe, expect, test, vi } from "vitest";
import { barnacleCommand } from "../support/gateway-process.ts";
import { setup } from "./support/run.ts";

const patience = { timeout: 20_000, interval: 30 };
const llm = { provider: "offline" };
const open = new Set<IPty>();
afterEach(() => {
  for (const child of open) child.kill("SIGKILL");
  open.clear();
});

/** `barnacle chat` in a terminal of its own. */
async function chat(columns = 80) {
  const { folder } = setup({ llm });
  const [command = "", ...args] = barnacleCommand();
  const child = spawnTerminal(command, [...args, "chat"], {
    cwd: folder,
    cols: columns,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder, TERM: "xterm", LANG: "C.UTF-8" },
  });
  open.add(child);
  let raw = "";
  child.onData((data) => (raw += data));
  const exit = new Promise<number>((resolve) => {
    child.onExit(({ exitCode }) => resolve(exitCode));
  });
  const shown = (): string => stripVTControlCharacters(raw).replaceAll("\r", "");
  await vi.waitFor(() => expect(shown()).toContain("Ctrl+D leaves"), patience);
  return { folder, child, exit, shown, say: (line: string) => child.write(`${line}\r`) };
}

describe("a chat in a terminal", () => {
  test("Ctrl+D while the bot works waits for the answer, says so, and shows it once", async () => {
    const { child, exit, shown, say } = await chat();
    say("run sleep 1; echo slow-answer");
    await vi.waitFor(() => expect(shown()).toContain("..."), patience);
    child.write("\u0004");
    expect(await exit).toBe(0);
    expect(shown()).toContain("Waiting for the last answer");
    // Once as typed, once as the answer.
    expect(shown().split("slow-answer")).toHaveLength(3);
    expect(shown()).not.toContain("may be a repeat");
  });

  test("Ctrl+C while the bot works leaves at once and says that the rest goes on later", async () => {
    const { child, exit, shown, say } = await chat();
    say("run sleep 20");
    await vi.waitFor(() => expect(shown()).toContain("..."), patience);
    child.write("\u0003");
    expect(await exit).toBe(130);
    expect(shown()).toContain("goes on with the next start");
  });

  test("what is typed while the bot works stands after a prompt, not after the hint", async () => {
    const { child, shown, say } = await chat();
    say("run sleep 2");
    await vi.waitFor(() => expect(shown()).toContain("..."), patience);
    child.write("hello");
    await vi.waitFor(() => expect(shown()).toContain("> hello"), patience);
    expect(shown()).not.toContain("...hello");
  });

  test("/export saves the conversation as a file and says where", async () => {
    const { folder, shown, say } = await chat(200);
    say("run echo kept-word");
    await vi.waitFor(() => expect(shown()).toContain("[exit code 0]"), patience);
    say("/export");
    await vi.waitFor(() => expect(shown()).toMatch(/bytes: .*\.md\]/), patience);
    const file = /bytes: (\S.*\.md)\]/.exec(shown())?.[1] ?? "";
    expect(file.startsWith(join(folder, "state/files/"))).toBe(true);
    expect(readFileSync(file, "utf8")).toContain("kept-word");
  });

  test("lines are broken between words, never within", async () => {
    const { shown, say } = await chat(60);
    say("hello");
    await vi.waitFor(() => expect(shown()).toContain("For real answers"), patience);
    const answer = shown().slice(shown().indexOf("Hello!"));
    const longest = Math.max(...answer.split("\n").map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(60);
    expect(longest).toBeGreaterThan(40);
  });
});

test("a pipe whose reader leaves ends the chat instead of waiting for ever", async () => {
  const { folder } = setup({ llm });
  const [command = "", ...args] = barnacleCommand();
  const child = spawn(command, [...args, "chat"], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => {}); // it may be gone before it has read everything
  child.stdin.end("hello\n".repeat(50));
  child.stdout.once("data", () => child.stdout.destroy());
  const code = await new Promise((resolve) => child.once("exit", resolve));
  expect(code).toBe(0);
});
