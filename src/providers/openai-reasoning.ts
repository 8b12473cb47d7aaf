interface Detail {
  readonly type?: unknown;
  readonly index?: unknown;
  readonly [field: string]: unknown;
}

/**
 * OpenRouter streams its `reasoning_details` in pieces, and wants them back whole: neighbours of one type and index are one
 * block, their text and summary joined, their other fields (a signature comes last) taken from whichever has them.
 */
export function mergeReasoningDetails(known: unknown[], pieces: readonly unknown[]): unknown[] {
  for (const piece of pieces) {
    const last = known.at(-1);
    if (isDetail(piece) && isDetail(last) && continues(last, piece)) {
      known[known.length - 1] = merge(last, piece);
    } else {
      known.push(piece);
    }
  }
  return known;
}

function continues(last: Detail, piece: Detail): boolean {
  const grows = piece.type === "reasoning.text" || piece.type === "reasoning.summary";
  return grows && last.type === piece.type && last.index === piece.index;
}

function merge(last: Detail, piece: Detail): Detail {
  const merged: Record<string, unknown> = { ...last };
  for (const [field, value] of Object.entries(piece)) {
    const before = merged[field];
    const joins = field === "text" || field === "summary";
    if (joins && typeof before === "string" && typeof value === "string") {
      merged[field] = before + value;
    } else if (value !== null && value !== undefined) {
      merged[field] = value;
    }
  }
  return merged;
}

function isDetail(value: unknown): value is Detail {
  return typeof value === "object" && value !== null;
}
