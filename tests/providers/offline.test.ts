import { describe, expect, test } from "vitest";
import type { ModelRequest, ToolSpec, Turn } from "../../src/contracts/model.ts";
import { phrases } from "../../src/providers/offline-phrases.ts";
import { collect, openModel, request } from "../support/model-settings.ts";

const tools: ToolSpec[] = phrases.map(({ tool }) => ({
  name: tool,
  description: "",
  inputSchema: { type: "object" },
}));

const user = (text: string): Turn => ({ role: "user", content: [{ type: "text", text }] });

async function ask(words: string, more: Partial<ModelRequest> = {}) {
  const chat = await openModel("offline", {});
  return await collect(chat, request({ turns: [user(words)], tools, ...more }));
}

const requests: readonly (readonly [string, string, Record<string, unknown>])[] = [
  ["list my files", "list_files", {}],
  ["List files.", "list_files", {}],
  ["please list the files in reports", "list_files", { path: "reports" }],
  ["could you show me my files?", "list_files", {}],
  ["what files are there?", "list_files", {}],
  ["ls", "list_files", {}],
  ["ls docs", "list_files", { path: "docs" }],
  ["read notes.txt", "read_file", { path: "notes.txt" }],
  ["show me the file welcome.md", "read_file", { path: "welcome.md" }],
  ["what's in welcome.md?", "read_file", { path: "welcome.md" }],
  ["cat docs/a.md", "read_file", { path: "docs/a.md" }],
  ['write "hello" to notes.txt', "write_file", { path: "notes.txt", content: "hello" }],
  ["write hello to notes.txt", "write_file", { path: "notes.txt", content: "hello" }],
  ["Write hello there to notes.txt.", "write_file", { path: "notes.txt", content: "hello there" }],
  ["save 'a to b' in x.md", "write_file", { path: "x.md", content: "a to b" }],
  ["create notes.txt with hello", "write_file", { path: "notes.txt", content: "hello" }],
  [
    'create a file called a.txt with the text "one\ntwo"',
    "write_file",
    { path: "a.txt", content: "one\ntwo" },
  ],
  ["make a file todo with milk and eggs", "write_file", { path: "todo", content: "milk and eggs" }],
  ["put milk in the file todo", "write_file", { path: "todo", content: "milk" }],
  ["look for milk", "search_files", { pattern: "milk" }],
  ["find invoices", "search_files", { pattern: "invoices" }],
  ['search for "due date" in my files', "search_files", { pattern: "due date" }],
  ["run ls -la", "run_command", { command: "ls -la" }],
  ["run `echo hi > a.txt`", "run_command", { command: "echo hi > a.txt" }],
  ["please run the command uname -a", "run_command", { command: "uname -a" }],
  ["$ date", "run_command", { command: "date" }],
  ["run find . -name x", "run_command", { command: "find . -name x" }],
  ["fetch https://example.com/a?b=c", "fetch_url", { url: "https://example.com/a?b=c" }],
  ["get the page https://example.com", "fetch_url", { url: "https://example.com" }],
  ["[2026-11-21 14:00 UTC, Ann]\nlist my files", "list_files", {}],
];

test.each(requests)("%j is a real call of %s", async (words, name, input) => {
  const { done, text } = await ask(words);
  expect(text).toBe("");
  expect(done.stop).toBe("tool-calls");
  expect(done.turn.calls).toEqual([{ id: expect.any(String) as string, name, input }]);
});

test.each(phrases.map(({ example, tool }) => ({ example, tool })))(
  "what help shows works: $example",
  async ({ example, tool }) => {
    expect((await ask(example)).done.turn.calls[0]?.name).toBe(tool);
    expect((await ask("help")).text).toContain(example);
  },
);

test("says openly that it is no LLM, when greeted and when it does not understand", async () => {
  for (const words of [
    "hello",
    "Hi!",
    "help",
    "what can you do?",
    "",
    "write me a poem about rain",
  ]) {
    const { text, done } = await ask(words);
    expect(text).toContain("offline model, no LLM");
    expect(done).toMatchObject({ stop: "answered", turn: { calls: [] } });
  }
});

test("a tool that is not there is not called, and this is said", async () => {
  const { text, done } = await ask("run rm -rf x", { tools: tools.slice(0, 1) });
  expect(done.turn.calls).toEqual([]);
  expect(text).toContain("`run_command`");
  expect(text).toContain("not available");
});

const after = async (result: string, failed = false, words = "read a.txt") => {
  const { done } = await ask(words);
  const callId = done.turn.calls[0]?.id ?? "";
  const tool: Turn = {
    role: "tool",
    callId,
    content: [{ type: "text", text: result }],
    failed,
  };
  return (await ask("", { turns: [user(words), done.turn, tool] })).text;
};

describe("after its calls", () => {
  test("it tells the result", async () => {
    expect(await after("one line")).toBe("Done, `read_file` answered: one line");
    expect(await after("two\nlines")).toContain("```\ntwo\nlines\n```");
    expect(await after("")).toContain("without any output");
  });

  test("it tells a failure", async () => {
    expect(await after("There is no a.txt.", true)).toContain("did not work");
  });

  test("a long result is cut, and that is said", async () => {
    const text = await after(`${"x".repeat(10_000)}\n`);
    expect(text.length).toBeLessThan(3500);
    expect(text).toContain("the first 3000 of 10000 characters");
  });

  test("a result with a fence in it stays within its own", async () => {
    expect(await after("a\n```\nb")).toContain("````\na\n```\nb\n````");
  });
});

test("is deterministic, and no two calls of a conversation share an id", async () => {
  const first = await ask("list my files");
  expect(await ask("list my files")).toEqual(first);
  const call = first.done.turn.calls[0];
  const tool: Turn = { role: "tool", callId: call?.id ?? "", content: [], failed: false };
  const turns = [user("list my files"), first.done.turn, tool, user("list my files")];
  expect((await ask("", { turns })).done.turn.calls[0]?.id).not.toBe(call?.id);
});

test("counts tokens, and costs nothing", async () => {
  const { usage } = (await ask("hello")).done;
  expect(usage.inputTokens).toBeGreaterThan(0);
  expect(usage.outputTokens).toBeGreaterThan(0);
  expect(usage.costUsd).toBe(0);
});

test("stops with the signal's reason", async () => {
  const chat = await openModel("offline", {});
  const signal = AbortSignal.abort(new Error("stopped"));
  await expect(collect(chat, request(), signal)).rejects.toThrow("stopped");
});
