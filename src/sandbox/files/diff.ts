const contextLines = 3;
const maxShownLines = 120;

/** One unified hunk from the first changed line to the last, bounded. */
export function showDiff(path: string, before: string, after: string): string {
  const old = before.split("\n");
  const now = after.split("\n");
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let oldEnd = old.length;
  let newEnd = now.length;
  while (oldEnd > start && newEnd > start && old[oldEnd - 1] === now[newEnd - 1]) {
    oldEnd -= 1;
    newEnd -= 1;
  }
  const from = Math.max(0, start - contextLines);
  const to = Math.min(old.length, oldEnd + contextLines);
  const trailing = to - oldEnd;
  const lines = [
    ...old.slice(from, start).map((line) => ` ${line}`),
    ...old.slice(start, oldEnd).map((line) => `-${line}`),
    ...now.slice(start, newEnd).map((line) => `+${line}`),
    ...old.slice(oldEnd, to).map((line) => ` ${line}`),
  ];
  const head = `@@ -${from + 1},${to - from} +${from + 1},${newEnd + trailing - from} @@`;
  const shown = lines.slice(0, maxShownLines).map(cut);
  const rest = lines.length - shown.length;
  const note = rest > 0 ? [`[${rest} more lines of the diff left out]`] : [];
  return [`--- ${path}`, `+++ ${path}`, head, ...shown, ...note].join("\n");
}

function cut(line: string): string {
  return line.length > 400 ? `${line.slice(0, 400)}...` : line;
}
