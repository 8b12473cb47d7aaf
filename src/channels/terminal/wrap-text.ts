import { stripVTControlCharacters } from "node:util";

/** Indented lines are code, whose line ends mean something. */
const codeIndent = "    ";
const wide =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60]|\p{Emoji_Presentation}/u;
const withoutWidth = /\p{M}|\p{Cf}/u;

/**
 * Breaks lines between words at the width of a terminal, which would break them within. Without a width (a pipe)
 * the text stays as it is.
 */
export function wrapText(text: string, columns: number | undefined): string {
  if (columns === undefined || columns < 20) return text;
  return text
    .split("\n")
    .map((line) => (line.startsWith(codeIndent) ? line : wrapLine(line, columns)))
    .join("\n");
}

function wrapLine(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line;
  // What follows a bullet stays beside it.
  const indent = /^(?:[•>-]|\d+\.) /.test(stripVTControlCharacters(line)) ? "  " : "";
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    const longer = current === "" ? word : `${current} ${word}`;
    if (current.trim() === "" || widthOf(longer) <= columns) current = longer;
    else {
      lines.push(current);
      current = indent + word;
    }
  }
  return [...lines, current].join("\n");
}

function widthOf(text: string): number {
  let width = 0;
  for (const letter of stripVTControlCharacters(text)) {
    if (!withoutWidth.test(letter)) width += wide.test(letter) ? 2 : 1;
  }
  return width;
}
