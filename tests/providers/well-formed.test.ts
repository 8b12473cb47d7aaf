import {
  array,
  assert,
  boolean,
  constantFrom,
  oneof,
  property,
  record,
  uniqueArray,
} from "fast-check";
import type { Arbitrary } from "fast-check";
import { expect, test } from "vitest";
import type { Turn } from "../../src/contracts/model.ts";
import { wellFormed } from "../../src/providers/well-formed.ts";

const words = constantFrom("", " ", "a", "b");
const ids = constantFrom("1", "2", "3");

/** Histories as a crash, a steering message or a bug might leave them. */
const anyTurn: Arbitrary<Turn> = oneof(
  words.map((text): Turn => ({ role: "user", content: [{ type: "text", text }] })),
  record({ text: words, calls: uniqueArray(ids) }).map(({ text, calls }): Turn => ({
    role: "assistant",
    text,
    calls: calls.map((id) => ({ id, name: "f", input: {} })),
  })),
  record({ callId: ids, failed: boolean() }).map(({ callId, failed }): Turn => ({
    role: "tool",
    callId,
    content: [],
    failed,
  })),
);

/** The call ids of the tool turns directly behind a turn. */
function resultsBehind(turns: readonly Turn[], index: number): string[] {
  const rest = turns.slice(index + 1);
  const end = rest.findIndex(({ role }) => role !== "tool");
  return rest
    .slice(0, end === -1 ? rest.length : end)
    .flatMap((turn) => (turn.role === "tool" ? turn.callId : []));
}

function usersOf(turns: readonly Turn[]): Turn[] {
  return turns.filter(({ role }) => role === "user");
}

test("whatever the history, each call has its one result right behind, in order, and no result stands alone", () => {
  assert(
    property(array(anyTurn, { maxLength: 30 }), (turns) => {
      const sound = wellFormed(turns);
      for (const [index, turn] of sound.entries()) {
        const calls = turn.role === "assistant" ? turn.calls.map(({ id }) => id) : [];
        expect(turn.role === "tool" ? [] : resultsBehind(sound, index)).toEqual(calls);
      }
      expect(sound[0]?.role).not.toBe("tool");
      expect(usersOf(sound)).toEqual(usersOf(turns));
      expect(wellFormed(sound)).toEqual(sound);
    }),
  );
});

test("a sound history stays as it is", () => {
  const turns: Turn[] = [
    { role: "user", content: [{ type: "text", text: "hi" }] },
    { role: "assistant", text: "", calls: [{ id: "1", name: "f", input: {} }] },
    { role: "tool", callId: "1", content: [{ type: "text", text: "done" }], failed: false },
    { role: "assistant", text: "There.", calls: [] },
  ];
  expect(wellFormed(turns)).toEqual(turns);
});
