import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toAnsiText, toPlainText } from "../../../src/lib/markdown/plain.ts";

describe("Markdown as plain text", () => {
  test.each([
    ["**bold** *it* ~~no~~ `code`", "bold it no `code`"],
    ["# Title\n\ntext", "Title\n\ntext"],
    ["- a\n  - b\n1. c", "- a\n  - b\n\n1. c"],
    ["```sh\nls -l\n```", "    ls -l"],
    ["> said\n> so", "> said\n> so"],
    ["[here](https://a.example)", "here (https://a.example)"],
    ["https://a.example", "https://a.example"],
    ["a@b.example", "a@b.example"],
    ["<b>x</b>", "<b>x</b>"],
    ["| a | b |\n|---|---|\n| 1 | 2 |", "a   | b\n----+----\n1   | 2"],
  ])("%j", (markdown, text) => {
    expect(toPlainText(markdown)).toBe(text);
  });
});

describe("nothing in a model's text commands the terminal", () => {
  const attacks = [
    "\u001B]52;c;ZXZpbA==\u0007",
    "\u001B[2J\u001B[H",
    "\u009B31m",
    "\u001B]8;;https://evil.example\u001B\\click\u001B]8;;\u001B\\",
    "\u001BP$q\u001B\\",
    "safe\rover",
    "\u202Egnp.exe",
    "\u0008\u0008\u007F",
  ];
  const wrap = [
    (text: string) => text,
    (text: string) => `\`${text}\``,
    (text: string) => `\`\`\`${text}\n${text}\n\`\`\``,
    (text: string) => `[${text}](https://a.example/${text})`,
    (text: string) => `> **${text}**`,
    (text: string) => `| ${text} | b |\n|---|---|\n| ${text} | c |`,
    (text: string) => `![${text}](<${text}>)\n\n[${text}]: ${text}`,
  ];
  const cases = attacks.flatMap((attack) => wrap.map((into) => into(attack)));

  test("the attacks do hold control characters", () => {
    for (const attack of cases)
      expect(attack).toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202E]/);
  });

  test.each(cases)("%j", (attack) => {
    expect(toPlainText(attack)).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202E]/);
    // Its own colours aside, the coloured text has none either.
    const withoutColours = toAnsiText(attack).replaceAll(/\u001B\[\d{1,2}m/g, "");
    expect(withoutColours).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202E]/);
  });

  test("any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        expect(toPlainText(text)).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/);
      }),
    );
  });
});
