/** A fenced code block of the source; offsets in UTF-16 units. */
interface Fence {
  readonly marker: string;
  /** Spaces before the opening marker: a block inside a list is indented. */
  readonly indent: number;
  readonly language: string;
  /** Where the opening line starts, and where the code after it does. */
  readonly start: number;
  readonly codeStart: number;
  /** Where the closing line starts, and where it ends; behind the end of the text if there is none. */
  readonly codeEnd: number;
  readonly end: number;
}

/** What most platforms take, so that a short text is rendered once. */
const firstGuess = 4096;
/** Longer runs of backticks are no code block to us: closing and re-opening them would fill the message. */
const maxMarkerLength = 16;
const maxLanguageLength = 32;
/** A break is looked for in the last part of what fits, so that messages do not become needlessly short. */
const earliestBreak = 0.4;

/**
 * Splits Markdown into parts that each satisfy `fits`, which renders and measures. Breaks at a paragraph before a
 * line, a sentence, a space, and only then inside a word, there between graphemes. A code block that is cut is closed
 * and re-opened with its language. Nothing but white space between parts is lost. A part of which even one grapheme
 * does not fit is returned all the same, so that the end is always reached.
 */
export function splitText(markdown: string, fits: (part: string) => boolean): string[] {
  const text = markdown.replace(/\r\n?/g, "\n");
  const fences = findFences(text);
  const parts: string[] = [];
  let position = 0;
  let guess = firstGuess;
  while (position < text.length) {
    const fence = fenceAt(fences, position);
    if (fence === undefined) {
      position = skipBlank(text, position);
      if (position >= text.length) break;
    } else if (text.slice(position, fence.codeEnd).trim() === "") {
      position = fence.end;
      continue;
    }
    const build = (end: number): string => partOf(text, fences, position, end);
    const reach = longestFit(text, position, guess, (end) => fits(build(end)));
    const end = chooseEnd(text, fences, position, reach, (end) => fits(build(end)));
    const part = build(end);
    if (part.trim() !== "") parts.push(part);
    guess = Math.max(16, reach - position);
    position = nextStart(text, fences, end);
  }
  return parts;
}

/** The text from `start` to `end`, with a cut code block opened before it and closed after it. */
function partOf(text: string, fences: readonly Fence[], start: number, end: number): string {
  const opened = fenceAt(fences, start);
  if (opened === undefined) return closed(fences, text, start, end);
  // Opened anew at the margin, since the list that it stood in is not part of this message.
  const header = `${opened.marker}${opened.language}\n`;
  const code = dedent(text.slice(start, Math.min(end, opened.codeEnd)), opened.indent);
  const block = `${header}${code.replace(/\n$/, "")}\n${opened.marker}`;
  return end <= opened.end ? block : block + closed(fences, text, opened.end, end);
}

/** The text from `start`, which is outside code, to `end`; a block that is open there is closed. */
function closed(fences: readonly Fence[], text: string, start: number, end: number): string {
  const cut = fenceAt(fences, end);
  const body = dedentListItem(text.slice(start, Math.min(end, cut?.codeEnd ?? end))).trimEnd();
  return cut === undefined ? body : `${body}\n${" ".repeat(cut.indent)}${cut.marker}`;
}

/**
 * About the largest end whose part fits; exact where parts are small. Rendering is what costs here, so it walks in
 * steps from where the last part ended, which is mostly near, and halves only the last step.
 */
function longestFit(
  text: string,
  start: number,
  guess: number,
  fitsTo: (end: number) => boolean,
): number {
  let low = start;
  let high = Math.min(text.length, start + guess);
  if (fitsTo(high)) {
    do {
      if (high === text.length) return high;
      low = high;
      high = Math.min(text.length, start + Math.ceil((high - start) * 1.3));
    } while (fitsTo(high));
  } else {
    for (;;) {
      const shorter = start + Math.floor((high - start) * 0.75);
      if (shorter === start) break;
      if (fitsTo(shorter)) {
        low = shorter;
        break;
      }
      high = shorter;
    }
  }
  while (high - low > Math.max(1, (low - start) >> 4)) {
    const middle = (low + high) >> 1;
    if (fitsTo(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** The best place to break that is not past `reach`; always past `start`. */
function chooseEnd(
  text: string,
  fences: readonly Fence[],
  start: number,
  reach: number,
  fitsTo: (end: number) => boolean,
): number {
  if (reach === text.length) return reach;
  let limit = reach;
  // A shorter part can render longer (a broken pair of asterisks shows them), so what was chosen is measured again.
  for (let attempt = 0; attempt < 8 && limit > start; attempt += 1) {
    const end = breakBefore(text, fences, start, limit);
    if (end <= start) break;
    if (end === reach || fitsTo(end)) return end;
    limit = Math.min(end - 1, start + ((end - start) >> 1));
  }
  return firstGrapheme(text, start);
}

const breaks: readonly { readonly pattern: RegExp; readonly inFence: boolean }[] = [
  { pattern: /\n[ \t]*\n/g, inFence: false },
  { pattern: /\n/g, inFence: false },
  { pattern: /\n/g, inFence: true },
  { pattern: /[.!?…。！？]["'”’)\]]*\s/gu, inFence: false },
  { pattern: /\s/g, inFence: true },
];

function breakBefore(text: string, fences: readonly Fence[], start: number, limit: number): number {
  const from = start + Math.floor((limit - start) * earliestBreak);
  // One more unit, so that white space right behind what fits counts as a place to break.
  const window = text.slice(from, limit + 1);
  for (const { pattern, inFence } of breaks) {
    let best = -1;
    for (const match of window.matchAll(pattern)) {
      const end = from + match.index + match[0].trimEnd().length;
      if (end <= start || end > limit) continue;
      const fence = fenceAt(fences, end);
      if (fence !== undefined && (!inFence || end < fence.codeStart)) continue;
      if (fence === undefined && splitsOpeningLine(fences, end)) continue;
      best = end;
    }
    if (best > start) return best;
  }
  return graphemeBefore(text, start, limit);
}

function splitsOpeningLine(fences: readonly Fence[], end: number): boolean {
  const fence = lastFenceFrom(fences, end);
  return fence !== undefined && end > fence.start && end < fence.codeStart;
}

const graphemeWindow = 64;

let segmenter: Intl.Segmenter | undefined;

/** Made on first use: it takes 10 ms and more, and few texts are broken inside a word. */
function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return segmenter.segment(text);
}

/** The last grapheme boundary at or before `limit`. */
function graphemeBefore(text: string, start: number, limit: number): number {
  const from = Math.max(start, limit - graphemeWindow);
  let boundary = start;
  for (const { index } of graphemes(text.slice(from, limit + graphemeWindow))) {
    const at = from + index;
    if (at > limit) break;
    if (at > from) boundary = at;
  }
  if (boundary > start) return boundary;
  // One grapheme longer than the window (stacked accents): a surrogate pair at least stays whole.
  const inPair = isLowSurrogate(text, limit) && isHighSurrogate(text, limit - 1);
  return inPair ? limit - 1 : limit;
}

function firstGrapheme(text: string, start: number): number {
  for (const { segment } of graphemes(text.slice(start, start + graphemeWindow))) {
    const end = start + segment.length;
    return isLowSurrogate(text, end) && isHighSurrogate(text, end - 1) ? end + 1 : end;
  }
  return start + 1;
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd8_00 && unit <= 0xdb_ff;
}

function isLowSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xdc_00 && unit <= 0xdf_ff;
}

/** After a break the line end goes, and the closing line of a block whose code is all said. */
function nextStart(text: string, fences: readonly Fence[], end: number): number {
  const fence = fenceAt(fences, end);
  if (fence === undefined) return end;
  if (text.slice(end, fence.codeEnd).trim() === "") return fence.end;
  return text[end] === "\n" ? end + 1 : end;
}

/** Past blank lines, and spaces that are no indentation. */
function skipBlank(text: string, position: number): number {
  let at = position;
  const blankLines = /[^\S\n]*\n/y;
  for (;;) {
    blankLines.lastIndex = at;
    if (!blankLines.test(text)) break;
    at = blankLines.lastIndex;
  }
  const atLineStart = at === 0 || text[at - 1] === "\n";
  if (atLineStart) return at;
  while (at < text.length && /[^\S\n]/.test(text[at] ?? "")) at += 1;
  return at;
}

/** A list item four columns in would be a code block where its list is not above it. */
function dedentListItem(text: string): string {
  return text.replace(/^[ \t]{4,}(?=(?:[-*+]|\d{1,9}[.)])\s)/, "  ");
}

function dedent(code: string, indent: number): string {
  return indent === 0 ? code : code.replaceAll(new RegExp(`^ {1,${indent}}`, "gm"), "");
}

function findFences(text: string): Fence[] {
  const fences: Fence[] = [];
  const opening = /^( {0,20}(?:(?:[-*+]|\d{1,9}[.)]) {1,4})?)(`{3,}|~{3,})([^\n]*)(?:\n|$)/gm;
  for (let match = opening.exec(text); match !== null; match = opening.exec(text)) {
    const [line, before = "", marker = "", info = ""] = match;
    if (marker.length > maxMarkerLength || (marker.startsWith("`") && info.includes("`"))) continue;
    const codeStart = match.index + line.length;
    const close = new RegExp(`^ *${marker[0]}{${marker.length},}[ \\t]*$`, "gm");
    close.lastIndex = codeStart;
    const last = codeStart < text.length ? close.exec(text) : null;
    const end = last === null ? text.length + 1 : last.index + last[0].length;
    fences.push({
      marker,
      indent: before.length,
      language: languageOf(info),
      start: match.index,
      codeStart,
      codeEnd: last === null ? text.length : last.index,
      end,
    });
    if (end >= text.length) break;
    opening.lastIndex = end;
  }
  return fences;
}

function languageOf(info: string): string {
  const language = info.trim().split(/\s/)[0] ?? "";
  return language.length <= maxLanguageLength && !language.includes("`") ? language : "";
}

/** The code block that a cut at `position` would leave open. */
function fenceAt(fences: readonly Fence[], position: number): Fence | undefined {
  const fence = lastFenceFrom(fences, position);
  if (fence === undefined) return undefined;
  const opened = position > fence.start + fence.indent + fence.marker.length;
  return opened && position < fence.end ? fence : undefined;
}

/** The last block that starts before `position`. */
function lastFenceFrom(fences: readonly Fence[], position: number): Fence | undefined {
  let low = 0;
  let high = fences.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((fences[middle]?.start ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return fences[low - 1];
}
