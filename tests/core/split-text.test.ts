import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitText } from "../../src/core/split-text.ts";

const upTo = (limit: number) => (part: string) => part.length <= limit;

/** What must survive: everything but white space, and the fences that are closed and re-opened. */
function words(text: string): string {
  return text.replaceAll(/^ *(?:`{3,}|~{3,})[^\n]*$/gm, "").replaceAll(/\s/g, "");
}

/** Read as CommonMark does: a line of backticks with a language opens a block, but does not close one. */
function leavesCodeOpen(part: string): boolean {
  let open = false;
  for (const line of part.split("\n")) {
    if (open ? line === "```" : line.startsWith("```")) open = !open;
  }
  return open;
}

/** True if `whole` holds the letters of `part` in their order. */
function holdsInOrder(whole: string, part: string): boolean {
  let at = 0;
  for (let index = 0; index < whole.length && at < part.length; index += 1) {
    if (whole[index] === part[at]) at += 1;
  }
  return at === part.length;
}

describe("where a text is split", () => {
  test("a text that fits stays as it is", () => {
    expect(splitText("hello *there*\n\nyou", upTo(100))).toEqual(["hello *there*\n\nyou"]);
  });

  test("nothing but white space makes no part", () => {
    expect(splitText("", upTo(100))).toEqual([]);
    expect(splitText(" \n\n\t\n", upTo(100))).toEqual([]);
  });

  test("between paragraphs before lines", () => {
    const text = "one one one\ntwo two\n\nthree three\nfour";
    expect(splitText(text, upTo(32))).toEqual(["one one one\ntwo two", "three three\nfour"]);
  });

  test("between lines before sentences", () => {
    const text = "One one. One one.\nTwo. Two two two two.";
    expect(splitText(text, upTo(24))).toEqual(["One one. One one.", "Two. Two two two two."]);
  });

  test("between sentences before words", () => {
    const text = "The first sentence here. And the second one";
    expect(splitText(text, upTo(36))).toEqual(["The first sentence here.", "And the second one"]);
  });

  test("between words before letters", () => {
    expect(splitText("aaaa bbbb cccc dddd", upTo(10))).toEqual(["aaaa bbbb", "cccc dddd"]);
  });

  test("one giant line makes progress, without breaking a surrogate pair or a family of emoji", () => {
    const family = "👨‍👩‍👧‍👦";
    const parts = splitText(family.repeat(50), upTo(40));
    expect(parts.join("")).toBe(family.repeat(50));
    for (const part of parts) expect(part.replaceAll(family, "")).toBe("");
  });

  test("a list item that was nested is still a list item, not code", () => {
    const text = `- a\n    - ${"b ".repeat(20).trim()}\n    - ${"c ".repeat(20).trim()}`;
    const parts = splitText(text, upTo(60));
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(part).not.toMatch(/^ {4}/);
  });
});

describe("a code block that does not fit", () => {
  const code = Array.from({ length: 40 }, (_, index) => `line${index};`).join("\n");

  test("is closed and re-opened with its language", () => {
    const parts = splitText(`Look:\n\n\`\`\`ts\n${code}\n\`\`\`\n\nDone.`, upTo(100));
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts.slice(1, -1)) {
      expect(part).toMatch(/^```ts\n/);
      expect(part).toMatch(/```$/);
    }
    expect(parts.at(-1)).toMatch(/Done\.$/);
    expect(words(parts.join("\n"))).toBe(words(`Look: ${code} Done.`));
  });

  test("is broken between its lines", () => {
    const parts = splitText(`\`\`\`\n${code}\n\`\`\``, upTo(100));
    for (const line of parts.join("\n").split("\n")) expect(line).toMatch(/^(?:```|line\d+;)$/);
  });

  test("inside a list loses the list's indentation where it is re-opened", () => {
    const indented = code.replaceAll(/^/gm, "   ");
    const parts = splitText(`1. Run:\n   \`\`\`sh\n${indented}\n   \`\`\`\n2. Rest`, upTo(100));
    expect(parts[1]).toMatch(/^```sh\nline\d+;\nline/);
    expect(parts.at(-1)).toMatch(/2\. Rest$/);
  });

  test("that the model left open is closed at the end", () => {
    expect(splitText("```js\nlet a;", upTo(100))).toEqual(["```js\nlet a;\n```"]);
  });

  test("never leaves an empty block behind its opening line", () => {
    const text = `${"word ".repeat(18)}\n\`\`\`ts\n${code}\n\`\`\``;
    for (const part of splitText(text, upTo(100))) expect(part).not.toMatch(/```ts\n```/);
  });

  test("with a language of 5000 letters does not fill every part with it", () => {
    const parts = splitText(`\`\`\`${"x".repeat(5000)}\n${code}\n\`\`\``, upTo(100));
    for (const part of parts) expect(part.length).toBeLessThanOrEqual(100);
    expect(parts.length).toBeLessThan(100);
  });
});

describe("properties", () => {
  const markdownish = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }),
    fc.constantFrom("\n", "\n\n", " ", "**", "`", "- ", "> ", "1. ", "| a | b |\n|---|---|\n"),
    fc.constantFrom("\n```\n", "\n```js\n", "\n~~~\n", "\n   ```\n", "\n````\n", "- ```sh\n"),
    fc.string({ minLength: 50, maxLength: 400 }),
  );
  const text = fc.array(markdownish, { maxLength: 40 }).map((pieces) => pieces.join(""));

  test("every part fits and holds something, and nothing but white space and fences changes", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 90, max: 500 }), (source, limit) => {
        const parts = splitText(source, upTo(limit));
        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(limit);
          expect(part.trim()).not.toBe("");
        }
        // Re-opened fences repeat their language, so what is kept holds the source and sometimes more.
        const kept = parts.join("\n").replaceAll(/[\s`~]/g, "");
        expect(holdsInOrder(kept, source.replaceAll(/[\s`~]/g, ""))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("without code blocks the parts joined are the source, white space aside", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 2000 }), (raw) => {
        const source = raw.replaceAll(/[`~]/g, "");
        const parts = splitText(source, upTo(40));
        expect(parts.join("").replaceAll(/\s/g, "")).toBe(source.replaceAll(/\s/g, ""));
        expect(parts.every((part) => part.isWellFormed())).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("with plain fences every part has its fences in pairs", () => {
    const line = fc.oneof(
      fc.constantFrom("```js", "```", "", "text. More text", "x".repeat(150)),
      fc.stringMatching(/^[a-z ]{0,60}$/),
    );
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 60 }),
        fc.integer({ min: 60, max: 300 }),
        (lines, limit) => {
          // A last "```" opens nothing that could be closed, so the source gets a word behind it.
          for (const part of splitText(`${lines.join("\n")}\nend`, upTo(limit))) {
            expect(leavesCodeOpen(part)).toBe(false);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("ends also where not even one grapheme fits", () => {
    expect(splitText("a👍b", () => false)).toEqual(["a", "👍", "b"]);
  });

  test.each([
    ["one line", "x".repeat(1_000_000)],
    ["words", "word ".repeat(200_000)],
    ["paragraphs", "Some sentence here.\n\n".repeat(50_000)],
    ["one code block", `\`\`\`js\n${"let a = 1;\n".repeat(90_000)}`],
    ["many fences", "```\n".repeat(250_000)],
    ["only accents", `e${"\u0301".repeat(1_000_000)}`],
  ])("a megabyte of %s is split", (_, source) => {
    const parts = splitText(source, upTo(4096));
    expect(parts.length).toBeLessThan(1000);
    for (const part of parts) expect(part.length).toBeLessThanOrEqual(4096);
  });
});
