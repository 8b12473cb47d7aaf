import { expect, test } from "vitest";
import { ToolError } from "../../src/contracts/errors.ts";
import type { ToolContext } from "../../src/contracts/tool.ts";
import { createLog } from "../../src/lib/log.ts";
import { createFetchUrl } from "../../src/tools/fetch-url.ts";
import type { FetchUrlDeps } from "../../src/tools/fetch-url.ts";
import { createBuiltinTools } from "../../src/tools/index.ts";
import { serve } from "../support/web-server.ts";

const words = "Barnacles are arthropods that live in the sea, on rocks, on ships, and on whales. ";
const article = `<!doctype html><html><head><title> The  barnacle </title><meta charset="utf-8"></head>
  <body><nav><a href="/a">Home</a><a href="/b">About us</a></nav>
  <article><h1>Barnacles</h1>${`<p>${words.repeat(4)}</p>`.repeat(6)}
  <h2>More</h2><p>See <a href="/more">the rest</a> of it, <a href="javascript:steal()">here</a>.<img src="data:image/png;base64,AAAA" alt="a rock"></p>
  <pre><code>let a = 1;</code></pre><script>steal()</script></article></body></html>`;

const deps: FetchUrlDeps = {
  maxBytes: 1_000_000,
  timeoutMs: 20_000,
  deniedHosts: ["api.telegram.org"],
  isAllowedAddress: (address) => address === "127.0.0.1",
};

const lines: string[] = [];
const context: ToolContext = {
  address: { channel: "test", chat: "1" },
  sender: { id: "1", name: "Ada" },
  space: "main",
  log: createLog({ destination: { write: (line) => void lines.push(line) } }),
  signal: new AbortController().signal,
};

async function read(input: unknown, given: Partial<FetchUrlDeps> = {}): Promise<string> {
  const { content, origin } = await createFetchUrl({ ...deps, ...given }).call(input, context);
  expect(origin).toBe("untrusted");
  return content.map((each) => (each.type === "text" ? each.text : "")).join("");
}

async function site(
  type: string | undefined,
  body: string | Uint8Array,
  status = 200,
): Promise<string> {
  const { origin } = await serve((_request, response) => {
    response.writeHead(status, type === undefined ? {} : { "content-type": type }).end(body);
  });
  return `${origin}/page`;
}

/** What stands between the head and the note. */
const bodyOf = (text: string): string | undefined => text.split("\n\n")[1];

test("an article comes as Markdown, without navigation, scripts and data", async () => {
  const url = await site("text/html", article);
  const text = await read({ url });
  expect(text).toMatch(new RegExp(`^URL: ${url}\nTitle: The barnacle\n\n`));
  expect(text).toContain(words.trim());
  expect(text).toContain("## More");
  expect(text).toContain(`[the rest](${new URL("/more", url).href})`);
  expect(text).toContain("```\nlet a = 1;\n```");
  for (const unwanted of ["About us", "steal()", "base64"]) expect(text).not.toContain(unwanted);
});

test("a page that is a list comes whole", async () => {
  const url = await site(
    "text/html",
    "<ul><li><a href='/one'>one</a><li>two</ul><table><tr><td>a</td><td>b</td></tr></table>",
  );
  const text = await read({ url });
  expect(text).toMatch(/- +\[one\]\(http.*\/one\)/);
  expect(text).toContain("| a | b |");
});

test("text, Markdown and JSON come as they are", async () => {
  expect(await read({ url: await site("text/markdown", "# <b>x</b>") })).toContain("# <b>x</b>");
  expect(
    await read({ url: await site("application/ld+json; charset=utf-8", '{"a": [1]}') }),
  ).toContain('{"a": [1]}');
  expect(await read({ url: await site(undefined, "plain") })).toContain("plain");
});

test("the page's own charset is used, from its header or from itself", async () => {
  const umlauts = Buffer.from("<p>M\xfcller", "latin1");
  expect(await read({ url: await site("text/html; charset=iso-8859-1", umlauts) })).toContain(
    "Müller",
  );
  const own = Buffer.from('<meta charset="windows-1252"><p>M\xfcller', "latin1");
  expect(await read({ url: await site("text/html", own) })).toContain("Müller");
  expect(await read({ url: await site("text/html; charset=nonsense", "<p>Müller") })).toContain(
    "Müller",
  );
});

test("a long text is cut with a note on how to read on, and the parts join to the whole", async () => {
  const whole = Array.from({ length: 100 }, (_, index) => `line ${index}`).join("\n");
  const url = await site("text/plain", whole);
  const first = await read({ url, max_chars: 500 });
  expect(first).toContain(`[characters 0-500 of ${whole.length}; continue with start 500]`);
  const second = await read({ url, max_chars: 500, start: 500 });
  expect(second).toContain(`[characters 500-${whole.length} of ${whole.length}]`);
  expect(`${bodyOf(first)}${bodyOf(second)}`).toBe(whole);
  await expect(read({ url, start: 5000 })).rejects.toThrow("Read from a smaller start");
});

test("a page over the size cap is read up to it and says so", async () => {
  const url = await site("text/plain", "x".repeat(5000));
  expect(await read({ url }, { maxBytes: 2000 })).toContain(
    "[only the first 2000 bytes of the page were read]",
  );
});

test.each([
  ["application/pdf", Buffer.from("%PDF-1.7")],
  ["image/png", Buffer.from([0x89, 0x50])],
  [undefined, Buffer.from([1, 0, 2])],
  ["text/plain", Buffer.from([65, 0, 66])],
])("binary data (%s) is refused with a sentence", async (type, body) => {
  const url = await site(type, body);
  await expect(read({ url })).rejects.toThrow(/fetch_url cannot read it/);
});

test.each([
  [404, "no such page"],
  [403, "does not let us in"],
  [429, "too many requests"],
  [503, "the site has a problem"],
])("status %i is an error with advice", async (status, advice) => {
  await expect(read({ url: await site("text/html", "x", status) })).rejects.toThrow(advice);
});

test("a page without any text says why that may be", async () => {
  expect(
    await read({ url: await site("text/html", "<div id=app></div><script>x</script>") }),
  ).toContain("no text to read");
});

test("a refused URL and a wrong input are errors for the model", async () => {
  const real = createFetchUrl({ maxBytes: 1000, timeoutMs: 5000, deniedHosts: deps.deniedHosts });
  for (const url of [
    "http://169.254.169.254/latest/meta-data/",
    "http://localhost/",
    "https://api.telegram.org/bot1:x/getMe",
    "file:///etc/passwd",
  ]) {
    await expect(real.call({ url }, context)).rejects.toBeInstanceOf(ToolError);
  }
  for (const input of [
    {},
    { url: 5 },
    { url: "http://x", max_chars: 1e9 },
    { url: "http://x", other: 1 },
    "http://x",
    null,
  ]) {
    await expect(real.call(input, context)).rejects.toBeInstanceOf(ToolError);
  }
});

test("the log has the host, not the path or the query, where words may be smuggled out", async () => {
  lines.length = 0;
  const url = await site("text/plain", "x");
  await read({ url: `${url}?canary-5f1e0c77` });
  expect(lines.join("")).toContain(new URL(url).host);
  expect(lines.join("")).not.toContain("canary");
  expect(lines.join("")).not.toContain("/page");
});

test("the built-in tools are the ones that the config leaves on, and their request is small", () => {
  expect(createBuiltinTools({}).map(({ name }) => name)).toEqual([]);
  const tools = createBuiltinTools({ fetchUrl: deps });
  expect(tools.map(({ name, effect }) => [name, effect])).toEqual([["fetch_url", "fetches"]]);
  expect(JSON.stringify(tools[0]).length).toBeLessThan(700);
});
