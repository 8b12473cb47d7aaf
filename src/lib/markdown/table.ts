import type { AlignType } from "mdast";

const gap = " | ";
/** Made on first use: it takes 10 ms and more, and most tables are ASCII. */
let segmenter: Intl.Segmenter | undefined;

/** Rows of cells as text in columns, for a fixed-width font; the first row is the head. */
export function alignTable(
  rows: readonly (readonly string[])[],
  align: readonly AlignType[],
): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll(/\s+/g, " ").trim()));
  const columns = Math.max(0, ...cells.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(3, ...cells.map((row) => displayWidth(row[column] ?? ""))),
  );
  const lines = cells.map((row) =>
    widths
      .map((width, column) => pad(row[column] ?? "", width, align[column] ?? null))
      .join(gap)
      .trimEnd(),
  );
  const rule = widths.map((width) => "-".repeat(width)).join("-+-");
  return [lines[0] ?? "", rule, ...lines.slice(1)].join("\n");
}

function pad(cell: string, width: number, align: AlignType): string {
  const space = Math.max(0, width - displayWidth(cell));
  const before = align === "right" ? space : align === "center" ? space >> 1 : 0;
  return " ".repeat(before) + cell + " ".repeat(space - before);
}

/** Columns that a text takes in a fixed-width font: emoji and East Asian characters take two. */
function displayWidth(text: string): number {
  if (/^[\u0020-\u007E]*$/.test(text)) return text.length;
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += isWide(segment) ? 2 : 1;
  return width;
}

function isWide(grapheme: string): boolean {
  return /\p{Emoji_Presentation}|\uFE0F|[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|[\u{20000}-\u{3FFFD}]/u.test(
    grapheme,
  );
}
