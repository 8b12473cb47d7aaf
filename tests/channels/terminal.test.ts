import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { spawn as spawnTerminal } from "@lydell/node-pty";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Terminal, TerminalOptions } from "../../src/channels/terminal/create-terminal.ts";
import { createTerminal } from "../../src/channels/terminal/create-terminal.ts";
import { terminalAddress } from "../../src/channels/terminal/identity.ts";
import type { InboundMessage, OutboundMessage } from "../../src/contracts/message.ts";

const live = new AbortController().signal;
const pipe = { interactive: false, cursor: false, color: false };
const screen = { interactive: true, cursor: true, color: true };

function open(options: Omit<TerminalOptions, "input" | "output">) {
  const input = new PassThrough();
  const output = new PassThrough();
  let shown = "";
  output.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
  });
  const received: InboundMessage[] = [];
  const terminal = createTerminal({ input, output, ...options });
  opened.push(terminal);
  return {
    input,
    output,
    terminal,
    received,
    shown: () => shown,
    say: (message: OutboundMessage) => terminal.send(terminalAddress, message, "k", live),
    start: async (receive: (message: InboundMessage) => Promise<void> = async () => undefined) => {
      await terminal.start(
        async (message) => {
          await receive(message);
          received.push(message);
        },
        () => undefined,
      );
    },
  };
}

const opened: Terminal[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((terminal) => terminal.stop()));
});

describe("in a pipe", () => {
  test("each line is a message, and the next comes after the answer", async () => {
    const { input, start, received, say, terminal, shown } = open(pipe);
    input.end("one\n\n  \ntwo\r\nthree");
    await start();
    for (const expected of ["one", "two", "three"]) {
      await vi.waitFor(() => expect(received.at(-1)?.text).toBe(expected));
      expect(received).toHaveLength(["one", "two", "three"].indexOf(expected) + 1);
      await say({ text: `**you said** ${expected}` });
    }
    expect(await terminal.finished).toBe("ended");
    expect(shown()).toBe("you said one\nyou said two\nyou said three\n");
    expect(new Set(received.map((message) => message.id)).size).toBe(3);
  });

  test("a message that gets no answer is passed over when that is said", async () => {
    const { input, start, received, terminal } = open(pipe);
    input.end("one\ntwo\n");
    await start();
    await vi.waitFor(() => expect(received).toHaveLength(1));
    terminal.answered();
    await vi.waitFor(() => expect(received).toHaveLength(2));
    terminal.answered();
    expect(await terminal.finished).toBe("ended");
  });

  test("the output holds answers only: no prompt, no hint, no escape sequence", async () => {
    const { input, start, received, say, terminal, shown } = open(pipe);
    input.end("hi\n");
    await start();
    await vi.waitFor(() => expect(received).toHaveLength(1));
    await terminal.showTyping?.(terminalAddress, live);
    await say({ text: "**a** \u001B]52;c;ZXZpbA==\u0007 b" });
    expect(shown()).toBe("a ]52;c;ZXZpbA== b\n");
  });

  test("one question may be given instead, with its line ends and without reading", async () => {
    const { start, received, say, terminal, shown } = open({ ...screen, question: "one\ntwo" });
    await start();
    await vi.waitFor(() => expect(received.map((m) => m.text)).toEqual(["one\ntwo"]));
    await say({ text: "answer" });
    expect(await terminal.finished).toBe("ended");
    expect(shown()).toBe("answer\n");
  });

  test("empty input ends at once", async () => {
    const { input, start, terminal } = open(pipe);
    input.end();
    await start();
    expect(await terminal.finished).toBe("ended");
  });

  test("a line without end is handed on in pieces", async () => {
    const { input, start, received, terminal } = open(pipe);
    input.end("x".repeat(250_000));
    await start(async () => {
      setImmediate(() => terminal.answered());
    });
    await terminal.finished;
    expect(received.map((message) => message.text.length)).toEqual([100_000, 100_000, 50_000]);
  });

  test("a letter split between two chunks stays whole", async () => {
    const { input, start, received } = open(pipe);
    const bytes = Buffer.from("żółw\n");
    await start();
    input.write(bytes.subarray(0, 3));
    input.write(bytes.subarray(3));
    await vi.waitFor(() => expect(received[0]?.text).toBe("żółw"));
  });

  test("a message that cannot be stored is offered again", async () => {
    const { input, start, received } = open(pipe);
    let tries = 0;
    input.write("keep me\n");
    await start(async () => {
      tries += 1;
      if (tries < 2) throw new Error("full");
    });
    await vi.waitFor(() => expect(received.map((m) => m.text)).toEqual(["keep me"]), 5000);
  });

  test("a number presses a button of the last message that had some", async () => {
    const { input, start, received, say, shown } = open(pipe);
    await start();
    input.write("go\n");
    await vi.waitFor(() => expect(received).toHaveLength(1));
    const id = await say({
      text: "Allow?",
      buttons: [
        { id: "y", label: "Yes" },
        { id: "n", label: "No\u001B[2J" },
      ],
    });
    expect(shown()).toBe("Allow?\n  [1] Yes\n  [2] No[2J\nType a number to choose.\n");
    input.write("2\n");
    await vi.waitFor(() => expect(received[1]?.press).toEqual({ button: "n", messageId: id }));
    await say({ text: "ok" });
    input.write("2\n");
    await vi.waitFor(() => expect(received[2]).toMatchObject({ text: "2", press: undefined }));
  });

  test("a reader that went away is a failure to send, not a crash", async () => {
    const { output, start, say } = open(pipe);
    await start();
    output.destroy(new Error("EPIPE"));
    await expect(say({ text: "a" })).rejects.toMatchObject({
      name: "ChannelError",
      kind: "unavailable",
      fate: "not-sent",
    });
  });

  test("stopping ends the wait for an answer and for input", async () => {
    const { input, start, received, terminal } = open(pipe);
    input.write("one\ntwo\n");
    await start();
    await vi.waitFor(() => expect(received).toHaveLength(1));
    await terminal.stop();
    await terminal.stop();
    expect(await terminal.finished).toBe("ended");
    expect(received).toHaveLength(1);
  });
});

describe("on a screen", () => {
  test("answers come above a prompt, coloured, and several messages may wait", async () => {
    const { input, start, received, say, shown } = open(screen);
    await start();
    await vi.waitFor(() => expect(shown()).toContain("> "));
    input.write("one\r");
    await vi.waitFor(() => expect(received).toHaveLength(1));
    input.write("two\r");
    await vi.waitFor(() => expect(received).toHaveLength(2));
    await say({ text: "**both**" });
    expect(shown()).toContain("\u001B[1mboth\u001B[22m\n");
  });

  test("lines pasted together are one message", async () => {
    const { input, start, received } = open(screen);
    await start();
    input.write("first\rsecond\rthird\r");
    await vi.waitFor(() => expect(received.map((m) => m.text)).toEqual(["first\nsecond\nthird"]));
  });

  test.each([
    ["Ctrl+D", "\u0004", "ended"],
    ["Ctrl+C", "\u0003", "interrupted"],
  ])("%s ends it", async (_, key, how) => {
    const { input, start, terminal } = open(screen);
    await start();
    input.write(key);
    expect(await terminal.finished).toBe(how);
  });

  test("with NO_COLOR there is none, on a dumb terminal no escape sequence at all", async () => {
    const plain = open({ interactive: true, cursor: true, color: false });
    await plain.start();
    await plain.say({ text: "**x**" });
    expect(plain.shown()).not.toMatch(/\u001B\[1m/);
    const dumb = open({ interactive: true, cursor: false, color: false });
    await dumb.start();
    await dumb.terminal.showTyping?.(terminalAddress, live);
    await dumb.say({ text: "**x** `y`" });
    expect(dumb.shown()).not.toContain("\u001B");
    expect(dumb.shown()).toContain("x `y`\n");
  });

  test("the hint that it works is wiped away by the answer", async () => {
    const { terminal, start, say, shown } = open(screen);
    await start();
    await terminal.showTyping?.(terminalAddress, live);
    await say({ text: "done" });
    expect(shown()).toMatch(/\.\.\.\r\u001B\[2Kdone\n/);
  });
});

describe("as this process' own terminal", () => {
  const echo = `
    import { createTerminal, processTerminal } from "./src/channels/terminal/create-terminal.ts";
    const terminal = createTerminal(processTerminal());
    const live = new AbortController().signal;
    const answer = (message) => terminal.send(message.address, { text: "**" + message.text + "**" }, "k", live);
    await terminal.start(async (message) => void setImmediate(answer, message), () => undefined);
    console.error(await terminal.finished);
    await terminal.stop();`;
  const root = join(import.meta.dirname, "../..");

  test("a pipe is answered line by line, and the process ends by itself", () => {
    const done = spawnSync(process.execPath, ["--input-type=module", "-e", echo], {
      cwd: root,
      input: "one\ntwo\n",
      encoding: "utf8",
    });
    expect(done).toMatchObject({ status: 0, stdout: "one\ntwo\n", stderr: "ended\n" });
  });

  test.each([
    ["Ctrl+C", "\u0003", "interrupted", {}],
    ["Ctrl+D", "\u0004", "ended", {}],
    ["Ctrl+D with NO_COLOR", "\u0004", "ended", { NO_COLOR: "1" }],
    ["Ctrl+D on a dumb terminal", "\u0004", "ended", { TERM: "dumb" }],
  ])("a real terminal: %s ends it and the process", async (_, key, how, env) => {
    const child = spawnTerminal(process.execPath, ["--input-type=module", "-e", echo], {
      cwd: root,
      env: { PATH: process.env["PATH"] ?? "", TERM: "xterm", ...env },
    });
    let shown = "";
    child.onData((data) => {
      shown += data;
    });
    const exit = new Promise<number>((resolve) => {
      child.onExit(({ exitCode }) => resolve(exitCode));
    });
    await vi.waitFor(() => expect(shown).toContain("> "), 10_000);
    child.write("hello\r");
    const colored = Object.keys(env).length === 0;
    const answer = colored
      ? "\u001B[1mhello\u001B[22m\r\n"
      : /(?:^|\n|\u001B\[2K)(?:> )?hello\r\n\r\n/;
    await vi.waitFor(() => expect(shown).toMatch(answer), 10_000);
    child.write(key);
    expect(await exit).toBe(0);
    expect(shown).toContain(how);
  });
});
