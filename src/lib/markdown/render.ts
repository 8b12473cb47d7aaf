import type { Definition, List, ListItem, Nodes, PhrasingContent, Root } from "mdast";
import { parseMarkdown, walk, wordsOf } from "./parse.ts";
import { alignTable } from "./table.ts";

export interface Style {
  readonly bold?: boolean;
  readonly italic?: boolean;
  readonly strike?: boolean;
  readonly code?: boolean;
  /** The target, where the text is a link. */
  readonly link?: string;
}

/** One piece of the page; a solid one has lines of its own that must not be indented. */
export interface Line {
  readonly text: string;
  readonly solid?: boolean;
}

/** How a platform writes what Markdown can say. Everything that reaches the page goes through one of these. */
export interface Markup {
  readonly bullet: string;
  readonly rule: string;
  /** A run of text in one style. The one place where text is escaped. */
  text(text: string, style: Style): string;
  /** What follows a link whose words do not show where it leads. */
  afterLink(url: string, words: string): string;
  codeBlock(code: string, language: string): readonly Line[];
  table(text: string): readonly Line[];
  /** `depth` is 0 for a quote that stands in no other. */
  quote(lines: readonly Line[], depth: number): readonly Line[];
}

/** Longer texts are shown as they are: no platform takes them whole, and parsing them would take seconds. */
const maxParsedLength = 40_000;
const maxDepth = 20;

interface Page {
  readonly markup: Markup;
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly referenced: ReadonlySet<string>;
}

/** Markdown in the markup of one platform. Never empty for a text that is not, and never throws. */
export function renderMarkdown(markdown: string, markup: Markup): string {
  if (markdown.length > maxParsedLength) return markup.text(markdown, {});
  try {
    const root = parseMarkdown(markdown);
    const lines = blocks(root.children, pageOf(root, markup), 0, 0, true);
    const text = lines.map((line) => line.text).join("\n");
    if (text.trim() !== "") return text;
  } catch {
    // A text that the parser cannot take (nested to exhaustion) is shown as it is.
  }
  return markup.text(markdown, {});
}

function pageOf(root: Root, markup: Markup): Page {
  const definitions = new Map<string, Definition>();
  const referenced = new Set<string>();
  for (const node of walk(root)) {
    if (node.type === "definition" && !definitions.has(node.identifier)) {
      definitions.set(node.identifier, node);
    } else if (node.type === "linkReference" || node.type === "imageReference") {
      referenced.add(node.identifier);
    }
  }
  return { markup, definitions, referenced };
}

/** Blocks below each other; with `apart`, an empty line between. */
function blocks(
  nodes: readonly Nodes[],
  page: Page,
  depth: number,
  quotes: number,
  apart: boolean,
): Line[] {
  const lines: Line[] = [];
  for (const node of nodes) {
    const added = block(node, page, depth, quotes);
    if (added.length === 0) continue;
    if (apart && lines.length > 0) lines.push({ text: "" });
    lines.push(...added);
  }
  return lines;
}

function block(node: Nodes, page: Page, depth: number, quotes: number): readonly Line[] {
  const { markup } = page;
  if (depth > maxDepth) return linesOf(markup.text(wordsOf(node), {}));
  switch (node.type) {
    case "paragraph":
      return linesOf(inline(node.children, page, {}, depth));
    case "heading":
      return linesOf(inline(node.children, page, { bold: true }, depth));
    case "blockquote": {
      const inner = blocks(node.children, page, depth + 1, quotes + 1, true);
      return inner.length === 0 ? [] : markup.quote(inner, quotes);
    }
    case "list":
      return list(node, page, depth, quotes);
    case "code":
      return markup.codeBlock(node.value, node.lang ?? "");
    case "table": {
      const rows = node.children.map((row) => row.children.map((cell) => wordsOf(cell)));
      return markup.table(alignTable(rows, node.align ?? []));
    }
    case "thematicBreak":
      return [{ text: markup.rule }];
    case "definition": {
      if (page.referenced.has(node.identifier)) return [];
      return linesOf(markup.text(`[${node.label ?? node.identifier}]: ${node.url}`, {}));
    }
    case "footnoteDefinition": {
      const inner = blocks(node.children, page, depth + 1, quotes, true);
      return hang(markup.text(`[${node.label ?? node.identifier}] `, {}), inner);
    }
    case "html":
      return linesOf(markup.text(node.value, {}));
    default:
      return linesOf(inline([node as PhrasingContent], page, {}, depth));
  }
}

function list(node: List, page: Page, depth: number, quotes: number): readonly Line[] {
  const lines: Line[] = [];
  for (const [index, item] of node.children.entries()) {
    if (index > 0 && node.spread === true) lines.push({ text: "" });
    const number = (node.start ?? 1) + index;
    const marker = node.ordered === true ? `${number}. ` : page.markup.bullet;
    const inner = blocks(item.children, page, depth + 1, quotes, item.spread === true);
    lines.push(...hang(markerOf(item, marker), inner));
  }
  return lines;
}

function markerOf(item: ListItem, marker: string): string {
  if (typeof item.checked !== "boolean") return marker;
  return item.checked ? "☑ " : "☐ ";
}

/** The marker before the first line, the others indented below it. */
function hang(marker: string, lines: readonly Line[]): readonly Line[] {
  const [first, ...rest] = lines;
  if (first === undefined) return [{ text: marker.trimEnd() }];
  const indented = rest.map((line) =>
    line.solid === true || line.text === "" ? line : { text: `  ${line.text}` },
  );
  if (first.solid === true) return [{ text: marker.trimEnd() }, first, ...indented];
  return [{ text: marker + first.text }, ...indented];
}

function linesOf(text: string): readonly Line[] {
  return text === "" ? [] : text.split("\n").map((line) => ({ text: line }));
}

function inline(
  nodes: readonly PhrasingContent[],
  page: Page,
  style: Style,
  depth: number,
): string {
  return nodes.map((node) => run(node, page, style, depth)).join("");
}

function run(node: PhrasingContent, page: Page, style: Style, depth: number): string {
  const { markup } = page;
  if (depth > maxDepth) return markup.text(wordsOf(node), style);
  switch (node.type) {
    case "text":
      return markup.text(node.value, style);
    case "inlineCode":
      return markup.text(node.value, { ...style, code: true });
    case "strong":
      return inline(node.children, page, { ...style, bold: true }, depth + 1);
    case "emphasis":
      return inline(node.children, page, { ...style, italic: true }, depth + 1);
    case "delete":
      return inline(node.children, page, { ...style, strike: true }, depth + 1);
    case "break":
      return "\n";
    case "html":
      return /^<br\s*\/?>$/i.test(node.value) ? "\n" : markup.text(node.value, style);
    case "link":
      return link(node.url, node.children, page, style, depth);
    case "linkReference": {
      const url = page.definitions.get(node.identifier)?.url ?? "";
      return link(url, node.children, page, style, depth);
    }
    case "image":
      return image(node.url, node.alt, page, style, depth);
    case "imageReference": {
      const url = page.definitions.get(node.identifier)?.url ?? "";
      return image(url, node.alt, page, style, depth);
    }
    case "footnoteReference":
      return markup.text(`[${node.label ?? node.identifier}]`, style);
    default:
      return markup.text(wordsOf(node), style);
  }
}

function link(
  url: string,
  children: readonly PhrasingContent[],
  page: Page,
  style: Style,
  depth: number,
): string {
  const words = children.map((child) => wordsOf(child)).join("");
  const shown: readonly PhrasingContent[] =
    words.trim() === "" ? [{ type: "text", value: url }] : children;
  const text = inline(shown, page, { ...style, link: url }, depth + 1);
  return text + page.markup.afterLink(url, words.trim() === "" ? url : words);
}

function image(
  url: string,
  alt: string | null | undefined,
  page: Page,
  style: Style,
  depth: number,
): string {
  const value = alt === null || alt === undefined || alt.trim() === "" ? "image" : alt;
  return link(url, [{ type: "text", value }], page, style, depth);
}
