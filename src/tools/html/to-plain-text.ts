/** The words of an HTML text, in one pass whose length is that of the text: for pages that a real parser cannot take. */
export function toPlainText(html: string): string {
  const parts: string[] = [];
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    if (open === -1) {
      parts.push(html.slice(at));
      break;
    }
    parts.push(html.slice(at, open));
    at = afterMarkup(html, open, parts);
  }
  return decodeEntities(parts.join(""))
    .replace(/[ \t\r\f\v\u00a0]+/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("\n");
}

const block =
  /^\/?(?:p|div|br|li|ul|ol|tr|table|h[1-6]|section|article|header|footer|pre|blockquote|title)$/;
const closings: Readonly<Record<string, RegExp>> = {
  script: /<\/script/gi,
  style: /<\/style/gi,
  noscript: /<\/noscript/gi,
  template: /<\/template/gi,
  svg: /<\/svg/gi,
};

/** The index after the tag, comment or hidden element that begins at `open`. */
function afterMarkup(html: string, open: number, parts: string[]): number {
  if (html.startsWith("<!--", open)) return after(html, "-->", open + 4);
  const name = /^\/?[a-z][a-z0-9]*/i.exec(html.slice(open + 1, open + 20))?.[0].toLowerCase();
  if (name === undefined && !/^[!?/]/.test(html.slice(open + 1, open + 2))) {
    parts.push("<"); // a plain "less than"
    return open + 1;
  }
  if (name !== undefined && block.test(name)) parts.push("\n");
  const end = after(html, ">", open);
  const closing = name === undefined ? undefined : closings[name];
  if (closing === undefined) return end;
  closing.lastIndex = end;
  const found = closing.exec(html);
  return found === null ? html.length : after(html, ">", found.index);
}

function after(text: string, mark: string, from: number): number {
  const index = text.indexOf(mark, from);
  return index === -1 ? text.length : index + mark.length;
}

const named: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]{2,5}));/gi,
    (whole, hex, decimal, name) => {
      if (typeof name === "string") return named[name.toLowerCase()] ?? whole;
      const code = typeof hex === "string" ? Number.parseInt(hex, 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code).toWellFormed() : whole;
    },
  );
}
