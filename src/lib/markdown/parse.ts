import type { Nodes, Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";

const syntax = [gfm({ singleTilde: false })];
const tree = [gfmFromMarkdown()];

/** The tree of GitHub-flavoured Markdown. Costs about 60 ms to import unbundled, so import it where it is used. */
export function parseMarkdown(markdown: string): Root {
  return fromMarkdown(markdown, { extensions: syntax, mdastExtensions: tree });
}

/** All nodes in document order, without recursion: a hostile text nests as deep as it is long. */
export function* walk(node: Nodes): Generator<Nodes> {
  const open: Nodes[] = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    if ("children" in next) {
      for (let index = next.children.length - 1; index >= 0; index -= 1) {
        const child = next.children[index];
        if (child !== undefined) open.push(child);
      }
    }
  }
}

/** The bare words of a node, without any markup. */
export function wordsOf(node: Nodes): string {
  let words = "";
  for (const inner of walk(node)) {
    if ("value" in inner) words += inner.value;
    else if (inner.type === "break") words += "\n";
    else if ("alt" in inner && typeof inner.alt === "string") words += inner.alt;
  }
  return words;
}
