const allowed = /^(?:b|i|s|u|code|pre|blockquote|a href="[^"<>]*"|code class="language-[^"<> ]+")$/;

/**
 * Reads text as Telegram's Bot API does with parse_mode HTML (core.telegram.org/bots/api#html-style): only its own
 * tags, closed in order, `<`, `>` and `&` escaped. Returns the text that people see, or throws Telegram's complaint.
 */
export function readTelegramHtml(html: string): string {
  const open: string[] = [];
  let text = "";
  for (const [piece] of html.matchAll(/<[^>]*>|&[^;\s]*;?|[^<&]+|[<&]/g)) {
    if (piece.startsWith("<")) {
      const tag = piece.slice(1, -1);
      if (!piece.endsWith(">")) throw new Error("can't parse entities: Unclosed start tag");
      if (tag.startsWith("/")) {
        const expected = open.pop();
        if (expected !== tag.slice(1)) {
          throw new Error(`can't parse entities: Unmatched end tag, expected "</${expected}>"`);
        }
      } else {
        if (!allowed.test(tag))
          throw new Error(`can't parse entities: Unsupported start tag "${tag}"`);
        const name = tag.split(" ")[0] ?? "";
        if (open.includes("code") || (open.includes("pre") && name !== "code")) {
          throw new Error(`nesting: <${name}> inside <${open.join("><")}>`);
        }
        if (name === "blockquote" && open.includes("blockquote"))
          throw new Error("nesting: quotes");
        open.push(name);
      }
    } else if (piece.startsWith("&")) {
      const entities: Record<string, string> = {
        "&lt;": "<",
        "&gt;": ">",
        "&amp;": "&",
        "&quot;": '"',
      };
      const meaning = entities[piece];
      if (meaning === undefined) throw new Error(`unescaped ${piece}`);
      text += meaning;
    } else {
      if (piece.includes(">")) throw new Error("unescaped >");
      text += piece;
    }
  }
  if (open.length > 0)
    throw new Error(`can't parse entities: Can't find end tag for "${open.at(-1)}"`);
  return text;
}
