import * as fc from "fast-check";
import { expect, test } from "vitest";
import { toPlainText } from "../../../src/tools/html/to-plain-text.ts";

test.each([
  ["<p>one<p>two", "one\ntwo"],
  ["a<br>b", "a\nb"],
  ["<b>bo</b>ld", "bold"],
  ["<script>x < y</script>after", "after"],
  ["<SCRIPT>x</ScRiPt >after", "after"],
  ["<style>p {}</style><!-- <p>hidden --> shown", "shown"],
  ["1 < 2 and 3 > 2", "1 < 2 and 3 > 2"],
  [
    "&lt;b&gt; &amp;amp; &#65;&#x42; &nbsp;&unknown; &#0; &#9999999;",
    "<b> &amp; AB &unknown; &#0; &#9999999;",
  ],
  ["<script>never closed", ""],
  ["<p", ""],
  ["<!-- never closed", ""],
  ["", ""],
])("%j is %j", (html, text) => {
  expect(toPlainText(html)).toBe(text);
});

test("no text makes it fail, and what is in no tag is kept", () => {
  fc.assert(fc.property(fc.string(), (text) => void toPlainText(text)));
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), (given) => {
      expect(toPlainText(given.map((each) => `<i>${each}</i> `).join(""))).toBe(given.join(" "));
    }),
  );
});
