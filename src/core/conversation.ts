import type { AssistantTurn, ToolTurn, Turn } from "../contracts/model.ts";
import type { HistoryRow, HistoryView } from "../contracts/store.ts";

/**
 * What the model sees: the summary, then the rows, every tool call followed by its result. A call that never got
 * one (its message was given up) is answered here, since providers refuse a history with a hole.
 */
export function turnsOf(view: HistoryView): readonly Turn[] {
  const turns: Turn[] = [];
  if (view.summary !== undefined) {
    turns.push(userText(`[Summary of the conversation before this point]\n${view.summary.text}`));
  }
  let open = new Set<string>();
  const closeOpen = (): void => {
    for (const callId of open) turns.push(neverRun(callId));
    open = new Set();
  };
  for (const { turn } of view.rows) {
    if (turn.role === "tool") {
      if (!open.delete(turn.callId)) continue;
    } else {
      closeOpen();
      if (turn.role === "assistant") open = new Set(turn.calls.map(({ id }) => id));
    }
    turns.push(turn);
  }
  closeOpen();
  return turns;
}

/** The assistant turn of this message whose calls are not all answered yet, and those calls. */
export function openCalls(
  own: readonly HistoryRow[],
): { readonly row: HistoryRow; readonly calls: AssistantTurn["calls"] } | undefined {
  const row = own.findLast(({ turn }) => turn.role === "assistant");
  if (row?.turn.role !== "assistant") return undefined;
  const answered = new Set(
    own.flatMap(({ seq, turn }) => (seq > row.seq && turn.role === "tool" ? [turn.callId] : [])),
  );
  const calls = row.turn.calls.filter(({ id }) => !answered.has(id));
  return calls.length > 0 ? { row, calls } : undefined;
}

const leftOut = "[An older result, left out to save room. Call the tool again if you need it.]";

/** Within `limit` estimated tokens, by leaving out the oldest tool results, the newest `keep` turns excepted. */
export function fitWindow(view: HistoryView, limit: number, keep = 4): HistoryView {
  let total = viewTokens(view);
  if (total <= limit) return view;
  const rows = view.rows.map((row, index): HistoryRow => {
    const { turn } = row;
    if (total <= limit || turn.role !== "tool" || index >= view.rows.length - keep) return row;
    const small: ToolTurn = { ...turn, content: [{ type: "text", text: leftOut }] };
    const saved = Math.max(0, row.tokens - 30);
    total -= saved;
    return { ...row, turn: small, tokens: row.tokens - saved };
  });
  return { ...view, rows };
}

export function viewTokens(view: HistoryView): number {
  return view.rows.reduce((sum, { tokens }) => sum + tokens, view.summary?.tokens ?? 0);
}

export function userText(text: string): Turn {
  return { role: "user", content: [{ type: "text", text }] };
}

export function toolText(callId: string, text: string, failed: boolean): ToolTurn {
  return { role: "tool", callId, content: [{ type: "text", text }], failed };
}

function neverRun(callId: string): ToolTurn {
  return toolText(callId, "Not answered: the turn was given up before this call ended.", true);
}
