import { expect, test } from "vitest";
import { toMarkdown } from "../../../src/tools/html/to-markdown.ts";

const url = "https://example.org/";
const { signal } = new AbortController();

test("a page that would keep a parser busy for minutes comes as plain text in time, and the event loop goes on", async () => {
  let turns = 0;
  const ticking = setInterval(() => (turns += 1), 10);
  const page = { html: `${"<div>".repeat(100_000)}the words`, url };
  const { markdown, fallback } = await toMarkdown(page, { signal, timeoutMs: 500 });
  clearInterval(ticking);
  expect(markdown).toBe("the words");
  expect(fallback).toContain("took longer");
  expect(turns).toBeGreaterThan(5);
});

test("a page that overflows the parser's stack comes as plain text", async () => {
  const { markdown, fallback } = await toMarkdown(
    { html: `${"<b>".repeat(20_000)}bold`, url },
    { signal },
  );
  expect(markdown).toBe("bold");
  expect(fallback).toBeDefined();
});

test("an ordinary page needs no fallback, and neither does a wide one", async () => {
  const ordinary = await toMarkdown({ html: "<p>words", url }, { signal });
  expect(ordinary).toEqual({ title: "", markdown: "words", fallback: undefined });
  const wide = { html: "<a href=x>foo</a> ".repeat(3000), url };
  expect(await toMarkdown(wide, { signal })).toMatchObject({ fallback: undefined });
});

test("an abort ends it at once, also for those who wait their turn", async () => {
  const first = new AbortController();
  const second = new AbortController();
  const reason = new Error("/stop");
  const slow = { html: "<div>".repeat(100_000), url };
  const order: string[] = [];
  const running = toMarkdown(slow, { signal: first.signal }).catch(() => order.push("first"));
  const waiting = toMarkdown(slow, { signal: second.signal });
  second.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  order.push("second");
  first.abort(reason);
  await running;
  expect(order).toEqual(["second", "first"]);
  expect(await toMarkdown({ html: "<p>next", url }, { signal })).toMatchObject({
    markdown: "next",
  });
});

test("where the thread's script is missing the words still come", async () => {
  const worker = new URL("file:///nowhere/worker.js");
  const { markdown, fallback } = await toMarkdown(
    { html: "<p>words &amp; more", url },
    { signal, worker },
  );
  expect(markdown).toBe("words & more");
  expect(fallback).toContain("nowhere");
});
