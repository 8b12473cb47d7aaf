import { parentPort, workerData } from "node:worker_threads";
import domino from "@mixmark-io/domino";
import type { DominoDocument, DominoElement, DominoList } from "@mixmark-io/domino";
import { Readability } from "@mozilla/readability";
import TurndownService from "turndown";
import type { Markdown, Page } from "./to-markdown.ts";

// The body of the thread that `to-markdown.ts` starts: a page in, its article as Markdown out.

/** Below this many characters of article the page is a list, a form or a front page: then all of it is taken. */
const minArticleLength = 200;

/** Taking children out of a wide element one by one, as Readability does, costs domino the square of their number. */
const maxSiblings = 800;

function convert(html: string, url: string): Markdown {
  const document = prepared(domino.createDocument(html, true), url);
  return (isTooWide(document) ? undefined : articleOf(document, url)) ?? wholePage(html, url);
}

function isTooWide(document: DominoDocument): boolean {
  const elements = elementsOf(document.getElementsByTagName("*"));
  return elements.some(({ childNodes }) => childNodes.length > maxSiblings);
}

function articleOf(document: DominoDocument, url: string): Markdown | undefined {
  const article = new Readability(document, {
    serializer: (node): DominoElement => node,
  }).parse();
  const content = article?.content;
  if (!content || (article.length ?? 0) < minArticleLength) return undefined;
  return { title: article.title ?? document.title, markdown: markdownOf(content, url) };
}

/** Parsed once more, for Readability changes the document it looks at. */
function wholePage(html: string, url: string): Markdown {
  const whole = domino.createDocument(html, true);
  const clutter = whole.querySelectorAll("script, style, noscript, template, svg, iframe");
  for (const element of elementsOf(clutter)) element.remove();
  return { title: whole.title, markdown: whole.body === null ? "" : markdownOf(whole.body, url) };
}

/** Two things of the browser's DOM that Readability wants and domino lacks: lists to iterate, and the base URL. */
function prepared(document: DominoDocument, url: string): DominoDocument {
  const lists = Object.getPrototypeOf(document.getElementsByTagName("a")) as object;
  Object.defineProperty(lists, Symbol.iterator, {
    configurable: true,
    value(this: DominoList) {
      return elementsOf(this)[Symbol.iterator]();
    },
  });
  Object.defineProperty(document, "baseURI", { value: url });
  Object.defineProperty(document, "documentURI", { value: url });
  return document;
}

function elementsOf(list: DominoList): DominoElement[] {
  return Array.from({ length: list.length }, (_, index) => list.item(index)).filter(
    (element) => element !== null,
  );
}

function markdownOf(root: DominoElement, url: string): string {
  const service = new TurndownService({
    headingStyle: "atx",
    codeBlockStyle: "fenced",
    bulletListMarker: "-",
    hr: "---",
  });
  service.remove(["script", "style", "noscript", "template", "iframe"]);
  service.addRule("images as their words", {
    filter: "img",
    replacement: (_content, node) => {
      const words = attribute(node, "alt").trim();
      return words === "" ? "" : `(image: ${words})`;
    },
  });
  service.addRule("links that lead somewhere", {
    filter: "a",
    replacement: (content, node) => {
      const href = attribute(node, "href");
      const words = content.trim().replace(/\s*\n\s*/g, " ");
      if (words === "") return "";
      const target = URL.canParse(href, url) ? new URL(href, url) : undefined;
      const leads =
        href !== "" && !href.startsWith("#") && /^(https?|mailto):$/.test(target?.protocol ?? "");
      return leads && target !== undefined ? `[${words}](${target.href})` : words;
    },
  });
  service.addRule("cells", {
    filter: ["td", "th"],
    replacement: (content) => `${content.trim().replace(/\s*\n\s*/g, " ")} | `,
  });
  service.addRule("rows", { filter: "tr", replacement: (content) => `\n| ${content.trim()}` });
  const markdown = service.turndown(root);
  return markdown
    .replace(/[ \t]+$/gm, "")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

function attribute(node: unknown, name: string): string {
  return (node as DominoElement).getAttribute(name) ?? "";
}

const { html, url } = workerData as Page;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort?.postMessage(convert(html, url));
