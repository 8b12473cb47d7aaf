import type { AssistantTurn, ToolTurn, Turn } from "../contracts/model.ts";

/**
 * The turns as the APIs demand them: the results of a turn's calls stand right behind it, all of them, in the order of the
 * calls; words that came between (a message during the turn) follow. A call without a result gets one that says so, a
 * result without its call is left out, and an assistant turn that said nothing as well.
 */
export function wellFormed(turns: readonly Turn[]): Turn[] {
  const sound: Turn[] = [];
  for (let at = 0; at < turns.length; at += 1) {
    const turn = turns[at];
    if (turn?.role === "user") sound.push(turn);
    if (turn?.role !== "assistant" || isEmpty(turn)) continue;
    sound.push(turn);
    if (turn.calls.length === 0) continue;
    const next = turns.findIndex((later, index) => index > at && later.role === "assistant");
    const span = turns.slice(at + 1, next === -1 ? turns.length : next);
    sound.push(...resultsOf(turn, span), ...span.filter((later) => later.role === "user"));
    at += span.length;
  }
  return sound;
}

function resultsOf(turn: AssistantTurn, span: readonly Turn[]): ToolTurn[] {
  const results = span.filter((later) => later.role === "tool");
  return turn.calls.map(
    ({ id }) => results.find(({ callId }) => callId === id) ?? missingResult(id),
  );
}

function missingResult(callId: string): ToolTurn {
  const text = "No result of this call was recorded; its outcome is unknown.";
  return { role: "tool", callId, content: [{ type: "text", text }], failed: true };
}

function isEmpty(turn: AssistantTurn): boolean {
  return turn.text.trim() === "" && turn.calls.length === 0;
}
