/** What a person sees, or why Telegram refuses the text. */
export type Parsed =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly description: string };

/** https://core.telegram.org/bots/api#html-style: all other tags are refused. */
const htmlTags = new Set(
  "b strong i em u ins s strike del span tg-spoiler a tg-emoji tg-time code pre blockquote".split(
    " ",
  ),
);
const maxTextLength = 4096;

/** Applies `parse_mode` and the length limit (1 to 4096 UTF-16 units after parsing), with Telegram's own refusals. */
export function parseText(raw: string, parseMode: string | undefined, what = "message"): Parsed {
  const parsed =
    parseMode?.toLowerCase() === "html" ? parseHtml(raw) : ({ ok: true, text: raw } as const);
  if (!parsed.ok) return parsed;
  const text = parsed.text.trim();
  if (text === "") return { ok: false, description: `Bad Request: ${what} text is empty` };
  if (text.length > maxTextLength) {
    return { ok: false, description: `Bad Request: ${what} is too long` };
  }
  return { ok: true, text };
}

function parseHtml(raw: string): Parsed {
  const open: string[] = [];
  let text = "";
  let at = 0;
  for (const tag of raw.matchAll(/<(\/?)([a-zA-Z][a-zA-Z0-9-]*)([^<>]*)>/g)) {
    text += raw.slice(at, tag.index);
    at = tag.index + tag[0].length;
    const name = (tag[2] ?? "").toLowerCase();
    if (!htmlTags.has(name)) {
      return cannotParse(`Unsupported start tag "${name}" at byte offset ${tag.index}`);
    }
    if (tag[1] !== "/") {
      open.push(name);
    } else if (open.pop() !== name) {
      return cannotParse(`Unmatched end tag at byte offset ${tag.index}`);
    }
  }
  text += raw.slice(at);
  const unclosed = open.pop();
  if (unclosed !== undefined)
    return cannotParse(`Can't find end tag corresponding to start tag "${unclosed}"`);
  if (/<\/?[a-zA-Z]/.test(text) || text.includes("<")) {
    return cannotParse(`Unsupported start tag "" at byte offset ${text.indexOf("<")}`);
  }
  return { ok: true, text: unescapeHtml(text) };
}

function cannotParse(why: string): Parsed {
  return { ok: false, description: `Bad Request: can't parse entities: ${why}` };
}

function unescapeHtml(text: string): string {
  return text.replaceAll(/&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);/g, (entity) => {
    const named: Record<string, string> = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"' };
    const code = entity.startsWith("&#x")
      ? Number.parseInt(entity.slice(3), 16)
      : Number.parseInt(entity.slice(2), 10);
    return named[entity] ?? String.fromCodePoint(code);
  });
}
