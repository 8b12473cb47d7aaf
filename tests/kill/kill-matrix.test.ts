import { randomInt } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { seeded } from "../support/random.ts";
import { runLane } from "./lane.ts";
import type { LaneResult } from "./lane.ts";
import { judge } from "./oracle.ts";
import type { Evidence, Judgement } from "./oracle.ts";
import { killPoints } from "./points.ts";

/**
 * The gateway is killed with SIGKILL at every named point of a message's way and at moments nobody chose, and started
 * again, `KILL_COUNT` times (200) in two lanes of their own. `KILL_SEED` repeats a run's choices.
 */
const seed = Number(process.env["KILL_SEED"] ?? randomInt(2 ** 31));
const count = Number(process.env["KILL_COUNT"] ?? 200);
const lanes = [
  { letter: "a", provider: "openai" },
  { letter: "b", provider: "anthropic" },
] as const;
const note = (line: string): void => void process.stdout.write(`${line}\n`);

describe(`${count} kills, KILL_SEED=${seed}`, () => {
  let results: readonly LaneResult[] = [];
  let judgements: readonly Judgement[] = [];

  beforeAll(async () => {
    note(`KILL_SEED=${seed} KILL_COUNT=${count}`);
    results = await Promise.all(
      lanes.map(async (lane, index) => {
        const kills = Math.ceil(count / lanes.length);
        return await runLane({ ...lane, kills, random: seeded(seed + index), note });
      }),
    );
    judgements = results.map(({ evidence }) => judge(evidence));
    note(report(results, judgements));
  }, 900_000);

  test("every message is answered once or explained, in order, and nothing is left", () => {
    expect(judgements.flatMap(({ problems }) => problems)).toEqual([]);
  });

  test.runIf(count >= 100)("every point was visited", () => {
    const visited = new Set(results.flatMap(({ killed }) => [...killed.keys()]));
    expect(killPoints.map(({ name }) => name).filter((name) => !visited.has(name))).toEqual([]);
    const kills = results.reduce((sum, { evidence }) => sum + evidence.kills.length, 0);
    expect(kills).toBeGreaterThanOrEqual(count);
  });

  test.runIf(count >= 100)(
    "the doubtful cases did occur: repeats were labelled, tools were interrupted",
    () => {
      expect(judgements.some(({ labelledRepeats }) => labelledRepeats > 0)).toBe(true);
      expect(judgements.some(({ interruptedTools }) => interruptedTools > 0)).toBe(true);
    },
  );

  test("the same evidence with a loss, a repetition or a second effect in it is not accepted", () => {
    const spoilable = results
      .map(({ evidence }) => spoil(evidence))
      .find((one) => one !== undefined);
    if (spoilable === undefined) throw new Error("Too little happened; take a higher KILL_COUNT.");
    for (const [what, spoilt] of Object.entries(spoilable)) {
      expect({ what, noticed: judge(spoilt).problems.length > 0 }).toEqual({ what, noticed: true });
    }
  });
});

/** What must never be accepted, planted into what really happened; undefined where too little happened. */
function spoil(evidence: Evidence): Readonly<Record<string, Evidence>> | undefined {
  const { delivered, effects, state } = evidence;
  const answers = evidence.asked
    .filter(({ kind }) => kind === "echo")
    .map(({ marker }) => delivered.filter(({ text }) => text.endsWith(`echo ${marker}`)));
  // One that came once and bears no label: a second copy of a labelled one would be excused.
  const [answer] =
    answers.find(([first, ...more]) => more.length === 0 && first?.text.startsWith("echo ")) ?? [];
  const tool = state.history.find(({ role }) => role === "tool");
  if (answer === undefined || tool === undefined || effects[0] === undefined) {
    return undefined;
  }
  const again = { ...answer, seq: answer.seq + 0.5, atMs: answer.atMs + 1 };
  return {
    "a lost answer": { ...evidence, delivered: delivered.filter((one) => one !== answer) },
    "a repetition": { ...evidence, delivered: [...delivered, again] },
    "a second effect": { ...evidence, effects: [...effects, effects[0]] },
    "a missing tool result": {
      ...evidence,
      state: { ...state, history: state.history.filter((row) => row !== tool) },
    },
    "a message left waiting": {
      ...evidence,
      state: {
        ...state,
        inbox: state.inbox.map((row, index) => (index === 0 ? { ...row, state: "waiting" } : row)),
      },
    },
    "answers in another order": { ...evidence, delivered: inReverse(delivered) },
  };
}

function inReverse(delivered: Evidence["delivered"]): Evidence["delivered"] {
  return delivered.toReversed().map((message, index) => ({ ...message, seq: index }));
}

function report(results: readonly LaneResult[], judgements: readonly Judgement[]): string {
  const points = new Map<string, number>();
  for (const { killed } of results) {
    for (const [name, times] of killed) points.set(name, (points.get(name) ?? 0) + times);
  }
  return [
    `${sum(results.map(({ evidence }) => evidence.kills.length))} kills, ${sum(results.map(({ evidence }) => evidence.asked.length))} messages`,
    `labelled repeats ${sum(judgements.map((one) => one.labelledRepeats))}, labelled but single ${sum(judgements.map((one) => one.labelledOnce))}, labelled and never tried ${sum(judgements.map((one) => one.labelledUntried))}, ` +
      `interrupted tools ${sum(judgements.map((one) => one.interruptedTools))}, explained failures ${sum(judgements.map((one) => one.explainedFailures))}`,
    ...[...points].map(([name, times]) => `  ${String(times).padStart(4)}  ${name}`),
    `repeat with KILL_SEED=${seed}`,
  ].join("\n");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}
