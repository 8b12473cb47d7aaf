import { describe, expect, test } from "vitest";
import type { BotMessage, Call } from "../support/counterparts/telegram.ts";
import { judge } from "./oracle.ts";
import type { Evidence } from "./oracle.ts";

/** The judge is judged on a small story: one plain message, one with a tool, one kill between send and receipt. */

const labelLine = "This may be a repeat of an earlier message.\n\n";

function bot(seq: number, text: string, atMs = seq): BotMessage {
  return {
    seq,
    atMs,
    chat: 1001,
    id: seq,
    text,
    thread: undefined,
    replyTo: undefined,
    buttons: [],
    edits: 0,
    deleted: false,
  };
}

function call(seq: number, text: string, answeredAtMs?: number): Call {
  const base = { seq, atMs: seq, method: "sendMessage", params: { chat_id: 1001, text } };
  return answeredAtMs === undefined
    ? { ...base, outcome: "dropped" }
    : { ...base, outcome: "answered", answeredAtMs };
}

function inbox(seq: number, state = "answered") {
  return {
    seq,
    channel: "telegram",
    chat: "1001",
    message_id: String(seq),
    version: 0,
    address: "telegram/1001",
    state,
    attempts: 0,
    error: null,
  };
}

function row(
  seq: number,
  inboxSeq: number,
  turn: { role: string; calls?: unknown; callId?: string },
) {
  return {
    seq,
    address: "telegram/1001",
    inbox_seq: inboxSeq,
    role: turn.role,
    body: JSON.stringify(turn),
  };
}

const sound: Evidence = {
  asked: [
    { marker: "a0001", kind: "echo", chat: 1001, id: 1 },
    { marker: "a0002", kind: "tool", chat: 1001, id: 2 },
  ],
  delivered: [bot(10, "echo a0001"), bot(20, "done a0002: "), bot(30, `${labelLine}done a0002: `)],
  attempts: [
    call(10, "echo a0001", 11),
    call(20, "done a0002: "),
    call(30, `${labelLine}done a0002: `, 31),
  ],
  kills: [{ atMs: 25, restartedMs: 26 }],
  effects: ["a0002"],
  state: {
    inbox: [inbox(1), inbox(2)],
    history: [
      row(1, 1, { role: "user" }),
      row(2, 1, { role: "assistant", calls: [] }),
      row(3, 2, { role: "user" }),
      row(4, 2, { role: "assistant", calls: [{ id: "x" }] }),
      row(5, 2, { role: "tool", callId: "x" }),
      row(6, 2, { role: "assistant", calls: [] }),
    ],
    outbox: [],
    calls: [],
    integrity: "ok",
  },
  leftInQueue: 0,
  complaints: [],
};

function problemsOf(change: Partial<Evidence>): readonly string[] {
  return judge({ ...sound, ...change }).problems;
}

describe("the judge of the kill matrix", () => {
  test("accepts a sound story and counts its one labelled repeat", () => {
    expect(judge(sound)).toMatchObject({ problems: [], labelledRepeats: 1 });
  });

  test("notices a lost answer", () => {
    expect(problemsOf({ delivered: sound.delivered.slice(1) })).toEqual([
      expect.stringContaining("a0001"),
    ]);
  });

  test("accepts no answer where the failure was explained, and wants the explanation", () => {
    const state = { ...sound.state, inbox: [inbox(1, "failed"), inbox(2)] };
    const explained = [bot(10, "I could not answer that."), ...sound.delivered.slice(1)];
    expect(problemsOf({ state, delivered: explained })).toEqual([]);
    expect(problemsOf({ state, delivered: sound.delivered.slice(1) })).toEqual([
      expect.stringContaining("In chat 1001, 1 messages failed, and 0 messages"),
    ]);
  });

  test("notices a repetition without a label, and a label without an excuse", () => {
    expect(problemsOf({ delivered: [...sound.delivered, bot(40, "echo a0001")] })).toEqual([
      expect.stringContaining("bears no label"),
    ]);
    expect(problemsOf({ kills: [] })).toEqual([expect.stringContaining("bears the label")]);
    const receiptLongThere = [
      sound.attempts[0]!,
      call(20, "done a0002: ", 21),
      call(9000, `${labelLine}done a0002: `, 9001),
    ];
    const delivered = [...sound.delivered.slice(0, 2), bot(9000, `${labelLine}done a0002: `)];
    expect(
      problemsOf({
        kills: [{ atMs: 8000, restartedMs: 8001 }],
        attempts: receiptLongThere,
        delivered,
      }),
    ).toEqual([expect.stringContaining("bears the label")]);
  });

  test("notices a bot that labels whatever it sends after a start", () => {
    const texts = ["echo a0001", "echo a0002", "echo a0003"].map((text) => `${labelLine}${text}`);
    const evidence: Evidence = {
      ...sound,
      asked: [1, 2, 3].map((id) => ({ marker: `a000${id}`, kind: "echo", chat: 1001, id })),
      delivered: texts.map((text, index) => bot(30 + index, text)),
      attempts: texts.map((text, index) => call(30 + index, text, 31 + index)),
      effects: [],
      state: { ...sound.state, inbox: [inbox(1), inbox(2), inbox(3)], history: [] },
    };
    expect(judge(evidence).problems).toEqual([expect.stringContaining("no earlier try")]);
  });

  test("notices a second effect, and an effect that was claimed and is not there", () => {
    expect(problemsOf({ effects: ["a0002", "a0002"] })).toEqual([
      expect.stringContaining("ran 2 times"),
    ]);
    expect(problemsOf({ effects: [] })).toEqual([expect.stringContaining("no effect")]);
  });

  test("notices a message of the bot that answers nothing", () => {
    expect(problemsOf({ delivered: [...sound.delivered, bot(40, "echo a00")] })).toEqual([
      expect.stringContaining("answer nothing"),
    ]);
  });

  test("notices answers out of order", () => {
    const delivered = [bot(10, "done a0002: "), bot(20, "echo a0001")];
    const attempts = [call(10, "done a0002: ", 11), call(20, "echo a0001", 21)];
    expect(problemsOf({ delivered, attempts })).toEqual([expect.stringContaining("asked first")]);
  });

  test("notices a broken history", () => {
    const without = (seq: number): Partial<Evidence> => ({
      state: { ...sound.state, history: sound.state.history.filter((one) => one.seq !== seq) },
    });
    expect(problemsOf(without(5))).toEqual([expect.stringContaining("before the results of x")]);
    expect(problemsOf(without(3))).toEqual([
      expect.stringContaining("does not begin with its message"),
    ]);
    const twice = [...sound.state.history, row(7, 2, { role: "user" })];
    expect(problemsOf({ state: { ...sound.state, history: twice } })).toEqual([
      expect.stringContaining("stands twice"),
    ]);
  });

  test("lets the turn of a given-up message end in a call, and notices a request that the model refused", () => {
    const history = sound.state.history.slice(0, 4);
    const state = { ...sound.state, history };
    expect(problemsOf({ state })).toEqual([
      expect.stringContaining("ends with an unanswered call"),
    ]);
    const failed = { ...state, inbox: [inbox(1), inbox(2, "failed")] };
    const delivered = [bot(10, "echo a0001"), bot(20, "I could not answer that.")];
    expect(problemsOf({ state: failed, delivered })).toEqual([]);
    expect(problemsOf({ complaints: ["a lone call"] })).toHaveLength(1);
  });

  test("notices what is left over: a waiting message, an unsent reply, an unconfirmed update, a damaged file", () => {
    const outbox = [
      {
        seq: 1,
        address: "telegram/1001",
        inbox_seq: 1,
        body: "{}",
        state: "pending",
        attempts: 0,
        uncertain: 0,
      },
    ];
    expect(
      problemsOf({ state: { ...sound.state, inbox: [inbox(1, "waiting"), inbox(2)] } }),
    ).toHaveLength(1);
    expect(problemsOf({ state: { ...sound.state, inbox: [inbox(2)] } })).toHaveLength(1);
    expect(problemsOf({ state: { ...sound.state, outbox } })).toHaveLength(1);
    expect(problemsOf({ state: { ...sound.state, integrity: "row 3 missing" } })).toHaveLength(1);
    expect(problemsOf({ leftInQueue: 1 })).toHaveLength(1);
  });
});
