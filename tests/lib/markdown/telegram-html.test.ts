import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toTelegramHtml } from "../../../src/lib/markdown/telegram-html.ts";
import { readTelegramHtml } from "../../support/telegram-html.ts";

describe("what Markdown becomes in Telegram", () => {
  test.each([
    ["**bold** and *italic* and ~~struck~~", "<b>bold</b> and <i>italic</i> and <s>struck</s>"],
    ["***both***", "<b><i>both</i></b>"],
    ["`a < b`", "<code>a &lt; b</code>"],
    ["**see `code` here**", "<b>see </b><code>code</code><b> here</b>"],
    ["# Title", "<b>Title</b>"],
    ["a\nb", "a\nb"],
    ["a\n\nb", "a\n\nb"],
    ["- a\n- b\n  - c", "• a\n• b\n  • c"],
    ["3. a\n4. b", "3. a\n4. b"],
    ["- [x] done\n- [ ] open", "☑ done\n☐ open"],
    ["> quoted\n>\n> > inner", "<blockquote>quoted\n\ninner</blockquote>"],
    ["```ts\nlet a = 1 < 2;\n```", '<pre><code class="language-ts">let a = 1 &lt; 2;</code></pre>'],
    ["```\nplain\n```", "<pre>plain</pre>"],
    ['```x" onclick="\na\n```', "<pre>a</pre>"],
    ["[here](https://a.example/?q=1&r=2)", '<a href="https://a.example/?q=1&amp;r=2">here</a>'],
    [
      "[**bold** link](tg://user?id=1)",
      '<a href="tg://user?id=1"><b>bold</b></a><a href="tg://user?id=1"> link</a>',
    ],
    ["![a cat](https://a.example/cat.png)", '<a href="https://a.example/cat.png">a cat</a>'],
    ["[x](javascript:alert(1))", "x (javascript:alert(1))"],
    ["[x](/relative)", "x (/relative)"],
    ["<b>not ours</b> & co", "&lt;b&gt;not ours&lt;/b&gt; &amp; co"],
    ["a<br>b", "a\nb"],
    ["[a][1]\n\n[1]: https://a.example", '<a href="https://a.example">a</a>'],
    ["[1]: https://a.example", "[1]: https://a.example"],
    ["---", "———"],
    ["note[^1]\n\n[^1]: the note", "note[1]\n\n[1] the note"],
    ["5 * 3 * 2 and snake_case_name", "5 * 3 * 2 and snake_case_name"],
    ["\u001B[31mred\u0000\u202Eevil", "[31mred\uFFFDevil"],
    ["broken \uD83D surrogate", "broken \uFFFD surrogate"],
  ])("%j", (markdown, html) => {
    expect(toTelegramHtml(markdown)).toBe(html);
  });

  test("a table becomes aligned columns", () => {
    const html = toTelegramHtml("| name | n |\n|:--|--:|\n| **a** & b | 1 |\n| 日本 | 22 |");
    expect(html).toBe("<pre>name  |   n\n------+----\na &amp; b |   1\n日本  |  22</pre>");
  });

  test("code in a list keeps its own indentation", () => {
    expect(toTelegramHtml("1. Run\n   ```sh\n   ls\n     -l\n   ```")).toBe(
      '1. Run\n<pre><code class="language-sh">ls\n  -l</code></pre>',
    );
  });
});

describe("whatever the model writes", () => {
  const pieces = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.constantFrom(
      ..."** * _ ~~ ` `` ``` ~~~ > >> # - 1. [ ] ( ) ![ ]( [^1] [^1]: | |-| < > </b> <b> & &lt; &#0; \\ :// <!-- --> <br>".split(
        " ",
      ),
      "\n",
      "\n\n",
      "    ",
      "\t",
      "[a](https://x.example)",
      "[a]: https://x.example",
      "| a | b |\n|---|---|\n| 1 | 2 |\n",
      "```js\ncode\n```\n",
      "> quote\n",
      "- item\n",
      "https://x.example/a?b=c&d",
      "www.x.example",
      "a@x.example",
    ),
  );
  const text = fc.array(pieces, { maxLength: 40 }).map((all) => all.join(""));

  test("the HTML is valid for Telegram", () => {
    fc.assert(
      fc.property(text, (markdown) => {
        expect(() => readTelegramHtml(toTelegramHtml(markdown))).not.toThrow();
      }),
      { numRuns: 1500 },
    );
  });

  test("a text with something to see shows something", () => {
    fc.assert(
      fc.property(text, (markdown) => {
        fc.pre(/[a-z]/i.test(markdown));
        expect(readTelegramHtml(toTelegramHtml(markdown)).trim()).not.toBe("");
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["nested quotes", "> ".repeat(10_000) + "x"],
    ["nested lists", Array.from({ length: 180 }, (_, i) => `${" ".repeat(i * 2)}- x`).join("\n")],
    ["open brackets", "[".repeat(20_000)],
    ["open links", "[a](".repeat(8000)],
    ["asterisks", "*a ".repeat(10_000)],
    ["alternating emphasis", "*a _b ".repeat(5000)],
    ["backtick runs", Array.from({ length: 200 }, (_, i) => "`".repeat(i)).join(" ")],
    ["a table of bars", "|".repeat(20_000)],
    ["ten megabytes", "**a** ".repeat(1_700_000)],
  ])("%s are rendered and end", (_, markdown) => {
    const html = toTelegramHtml(markdown);
    expect(() => readTelegramHtml(html)).not.toThrow();
    expect(html.length).toBeGreaterThan(0);
  });
});
