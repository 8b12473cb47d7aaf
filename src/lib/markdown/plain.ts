import { harmless } from "./harmless.ts";
import type { Line, Markup } from "./render.ts";
import { renderMarkdown } from "./render.ts";

/** Markdown as text to read: no markup, no control characters, links with their target. */
export function toPlainText(markdown: string): string {
  return renderMarkdown(markdown, plain);
}

/** The same with bold, italic and colour for a terminal. Its own are the only escape sequences in it. */
export function toAnsiText(markdown: string): string {
  return renderMarkdown(markdown, ansi);
}

const plain: Markup = {
  bullet: "- ",
  rule: "---",
  text: (text, style) => (style.code === true ? `\`${harmless(text)}\`` : harmless(text)),
  afterLink: (url, words) =>
    url === "" || words === url || url === `mailto:${words}` ? "" : ` (${harmless(url)})`,
  codeBlock: (code) => linesOf(harmless(code), "    "),
  table: (text) => linesOf(harmless(text), ""),
  quote: (lines) => lines.flatMap((line) => linesOf(line.text, "> ")),
};

// Select Graphic Rendition codes (ECMA-48): on and off.
const bold = [1, 22] as const;
const faint = [2, 22] as const;
const italic = [3, 23] as const;
const struck = [9, 29] as const;
const cyan = [36, 39] as const;

const ansi: Markup = {
  bullet: "• ",
  rule: "────",
  text(text, style) {
    let out = harmless(text);
    if (style.code === true) out = paint(out, cyan);
    if (style.strike === true) out = paint(out, struck);
    if (style.italic === true) out = paint(out, italic);
    if (style.bold === true) out = paint(out, bold);
    return out;
  },
  afterLink: (url, words) => paint(plain.afterLink(url, words), faint),
  codeBlock: (code) => linesOf(paint(harmless(code), cyan), "    "),
  table: (text) => linesOf(harmless(text), ""),
  quote: (lines) => lines.flatMap((line) => linesOf(line.text, `${paint("│", faint)} `)),
};

/** Line by line, so that what a pager or a resize cuts does not bleed into the rest. */
function paint(text: string, [on, off]: readonly [number, number]): string {
  if (text === "") return "";
  return text
    .split("\n")
    .map((line) => (line === "" ? "" : `\u001B[${on}m${line}\u001B[${off}m`))
    .join("\n");
}

function linesOf(text: string, indent: string): readonly Line[] {
  if (text === "") return [];
  return text.split("\n").map((line) => ({ text: (indent + line).trimEnd() }));
}
