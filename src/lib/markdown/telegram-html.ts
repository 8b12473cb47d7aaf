import { harmless } from "./harmless.ts";
import type { Line, Markup, Style } from "./render.ts";
import { renderMarkdown } from "./render.ts";

/**
 * Markdown as the HTML subset of Telegram's Bot API (core.telegram.org/bots/api#html-style), always valid: every run
 * of text opens and closes its own tags, code stands in no other markup, and quotes are not nested.
 */
export function toTelegramHtml(markdown: string): string {
  return renderMarkdown(markdown, markup);
}

const markup: Markup = {
  bullet: "• ",
  rule: "———",
  text: styled,
  afterLink: (url, words) =>
    isLinkable(url) || url === "" || words === url ? "" : escape(` (${url})`),
  codeBlock(code, language) {
    const text = escape(code);
    const isLanguage = /^[\w+#.-]{1,32}$/.test(language);
    const inner = isLanguage ? `<code class="language-${language}">${text}</code>` : text;
    return solid(`<pre>${inner}</pre>`, code);
  },
  table: (text) => solid(`<pre>${escape(text)}</pre>`, text),
  quote(lines, depth) {
    if (depth > 0) return lines;
    const inner = lines.map((line) => line.text).join("\n");
    return [{ text: `<blockquote>${inner}</blockquote>`, solid: true }];
  },
};

/** Telegram refuses a message that shows nothing, and drops an empty block. */
function solid(html: string, content: string): readonly Line[] {
  return content.trim() === "" ? [] : [{ text: html, solid: true }];
}

function styled(text: string, style: Style): string {
  const escaped = escape(text);
  if (escaped === "") return "";
  if (style.link !== undefined && isLinkable(style.link)) {
    return `<a href="${escape(style.link)}">${emphasised(escaped, style)}</a>`;
  }
  // "pre and code entities can't contain other entities" and are no part of them.
  return style.code === true ? `<code>${escaped}</code>` : emphasised(escaped, style);
}

function emphasised(escaped: string, style: Style): string {
  let html = escaped;
  if (style.strike === true) html = `<s>${html}</s>`;
  if (style.italic === true) html = `<i>${html}</i>`;
  if (style.bold === true) html = `<b>${html}</b>`;
  return html;
}

function isLinkable(url: string): boolean {
  return /^(?:https?:\/\/|tg:\/\/|mailto:)[^\s]+$/i.test(url) && URL.canParse(url);
}

function escape(text: string): string {
  return harmless(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
