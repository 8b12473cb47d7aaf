import { afterEach, describe, expect, test, vi } from "vitest";
import { ModelError } from "../../src/contracts/errors.ts";
import type { FailureKind } from "../../src/contracts/errors.ts";
import type {
  AssistantTurn,
  ChatModel,
  ModelEvent,
  ModelRequest,
} from "../../src/contracts/model.ts";
import { createModelChain } from "../../src/core/model-chain.ts";
import type { ChainEvent, ModelChain } from "../../src/core/model-chain.ts";
import { quietLog, request } from "../support/model-settings.ts";

type Script = (request: ModelRequest, signal: AbortSignal) => AsyncGenerator<ModelEvent>;

interface Scripted extends ChatModel {
  readonly requests: ModelRequest[];
  /** What to do at the calls to come; the last entry stays. */
  scripts: Script[];
}

/** A model that does what a test tells it to. */
function scripted(id: string, ...scripts: Script[]): Scripted {
  const model: Scripted = {
    id,
    contextWindow: 10_000,
    maxOutputTokens: 2000,
    requests: [],
    scripts,
    stream(given, signal) {
      model.requests.push(given);
      const script = model.scripts.length > 1 ? model.scripts.shift() : model.scripts[0];
      if (script === undefined) throw new Error("no script");
      return script(given, signal);
    },
  };
  return model;
}

function done(text: string): ModelEvent {
  const turn: AssistantTurn = { role: "assistant", text, calls: [] };
  const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
  return { type: "done", turn, stop: "answered", usage };
}

const says = (text: string): Script =>
  async function* () {
    yield { type: "text", delta: text };
    yield await Promise.resolve(done(text));
  };

const fails = (kind: FailureKind, retryAfterMs?: number, afterText = ""): Script =>
  async function* () {
    if (afterText !== "") yield await Promise.resolve({ type: "text", delta: afterText });
    throw new ModelError(`It failed: ${kind}.`, { kind, retryAfterMs });
  };

/** Never says another word, and does not even listen to its signal. */
const hangs = (...before: ModelEvent[]): Script =>
  async function* () {
    yield* before;
    await new Promise(() => undefined);
  };

let clock = 1_000_000;
const minuteMs = 60_000;

const slow: Script = async function* () {
  for (let step = 0; step < 5; step += 1) {
    await new Promise((resolve) => setTimeout(resolve, 80_000));
    yield { type: "thinking", delta: "." };
  }
  yield done("at last");
};

const pings: Script = async function* () {
  for (;;) {
    clock += minuteMs;
    yield await Promise.resolve({ type: "thinking", delta: "" });
  }
};

const empty: Script = async function* () {
  yield await Promise.resolve({ type: "text", delta: "a" });
};

const broken: Script = async function* () {
  yield await Promise.reject(new TypeError("a bug"));
};

function chainOf(models: readonly ChatModel[], idleTimeoutMs?: number): ModelChain {
  const idle = idleTimeoutMs === undefined ? {} : { idleTimeoutMs };
  return createModelChain({ models, now: () => clock, log: quietLog, ...idle });
}

async function run(
  chain: ModelChain,
  given = request(),
  signal = new AbortController().signal,
): Promise<ChainEvent[]> {
  const events: ChainEvent[] = [];
  for await (const event of chain.stream(given, signal)) events.push(event);
  return events;
}

function last(events: readonly ChainEvent[]): Extract<ChainEvent, { type: "done" }> {
  const end = events.at(-1);
  if (end?.type !== "done") throw new Error("no done at the end");
  return end;
}

afterEach(() => {
  vi.useRealTimers();
});

test("the first model answers, and nothing is said of a fallback", async () => {
  const chain = chainOf([scripted("a", says("hi")), scripted("b", says("no"))]);
  const events = await run(chain);
  expect(events.map(({ type }) => type)).toEqual(["text", "done"]);
  expect(last(events)).toMatchObject({ model: "a", turn: { text: "hi" } });
  expect(last(events).fallback).toBeUndefined();
});

const falling = [
  "rate-limited",
  "unavailable",
  "timed-out",
  "unauthorized",
  "unpaid",
  "unknown-model",
] as const;

test.each(falling)("after %s the next model answers, and says for whom and why", async (kind) => {
  const chain = chainOf([scripted("a", fails(kind)), scripted("b", says("here"))]);
  const { model, fallback } = last(await run(chain));
  expect(model).toBe("b");
  expect(fallback).toMatchObject({ instead: "a", kind });
  expect(fallback?.sentence).toMatch(/^b answered, because a .+\.$/);
});

test.each(["rejected", "too-long"] as const)("%s is no reason for another model", async (kind) => {
  const b = scripted("b", says("here"));
  await expect(run(chainOf([scripted("a", fails(kind)), b]))).rejects.toMatchObject({ kind });
  expect(b.requests).toHaveLength(0);
});

describe("a model that failed rests", () => {
  test("for as long as its platform asked, and the sentence says so", async () => {
    const a = scripted("a", fails("rate-limited", 2 * minuteMs), says("back"));
    const chain = chainOf([a, scripted("b", says("here"))]);
    const first = last(await run(chain));
    expect(first.fallback?.sentence).toBe("b answered, because a is rate-limited for 2 minutes.");
    expect(chain.states()).toEqual([
      { id: "a", coolsForMs: 2 * minuteMs, reason: "is rate-limited for 2 minutes" },
      { id: "b", coolsForMs: 0, reason: undefined },
    ]);
    clock += 2 * minuteMs - 1;
    expect(last(await run(chain))).toMatchObject({ model: "b", fallback: { instead: "a" } });
    expect(a.requests).toHaveLength(1);
    clock += 1;
    expect(last(await run(chain)).model).toBe("a");
    expect(chain.states()[0]?.coolsForMs).toBe(0);
  });

  test("twice as long with each further failure, at most 10 minutes when overloaded", async () => {
    const chain = chainOf([scripted("a", fails("unavailable")), scripted("b", says("here"))]);
    const rests: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      await run(chain);
      const { coolsForMs = 0 } = chain.states()[0] ?? {};
      rests.push(coolsForMs / 1000);
      clock += coolsForMs;
    }
    expect(rests).toEqual([30, 60, 120, 240, 480, 600, 600]);
  });

  test("from one minute to an hour when rate-limited without a word how long", async () => {
    const chain = chainOf([scripted("a", fails("rate-limited")), scripted("b", says("here"))]);
    const rests: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      await run(chain);
      const { coolsForMs = 0 } = chain.states()[0] ?? {};
      rests.push(coolsForMs / minuteMs);
      clock += coolsForMs;
    }
    expect(rests).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  test("and begins anew after an answer", async () => {
    const a = scripted("a", fails("unavailable"), fails("unavailable"), says("hi"));
    a.scripts.push(fails("unavailable"));
    const chain = chainOf([a, scripted("b", says("here"))]);
    for (let round = 0; round < 4; round += 1) {
      clock += 10 * minuteMs;
      await run(chain);
    }
    expect(chain.states()[0]?.coolsForMs).toBe(30_000);
  });

  test("but is asked all the same when every model rests or fails", async () => {
    const a = scripted("a", fails("unavailable"), says("recovered"));
    const chain = chainOf([a]);
    await expect(run(chain)).rejects.toMatchObject({ kind: "unavailable" });
    expect(last(await run(chain)).turn.text).toBe("recovered");
  });

  test("and a resting fallback is asked when the ready ones fail", async () => {
    const a = scripted("a", fails("unavailable", 0), says("x"));
    const b = scripted("b", fails("unpaid"), says("paid again"));
    const chain = chainOf([a, b]);
    await expect(run(chain)).rejects.toMatchObject({ name: "ModelError" });
    clock += minuteMs;
    a.scripts = [fails("unavailable")];
    expect(last(await run(chain)).turn.text).toBe("paid again");
  });
});

test("when all fail there is one error about all, of the kind that waiting helps with", async () => {
  const chain = chainOf([
    scripted("a", fails("unauthorized")),
    scripted("b", fails("rate-limited", 5000)),
  ]);
  await expect(run(chain)).rejects.toMatchObject({
    kind: "rate-limited",
    message: "No model could answer. It failed: unauthorized. It failed: rate-limited.",
  });
});

test("text of a model that failed amid its answer is to be discarded", async () => {
  const chain = chainOf([
    scripted("a", fails("unavailable", undefined, "Half an ans")),
    scripted("b", says("Whole.")),
  ]);
  const events = await run(chain);
  expect(events.map(({ type }) => type)).toEqual(["text", "restarted", "text", "done"]);
  expect(events[1]).toEqual({
    type: "restarted",
    failed: "a",
    reason: "is not available at the moment",
  });
  expect(last(events).turn.text).toBe("Whole.");
});

test("another model's private state is not sent, and its own is", async () => {
  const opaque = { model: "a", value: "signed" };
  const turns = [
    { role: "assistant", text: "one", calls: [], opaque },
    { role: "user", content: [{ type: "text", text: "two" }] },
  ] as const;
  const a = scripted("a", fails("unavailable"));
  const b = scripted("b", says("ok"));
  await run(chainOf([a, b]), request({ turns }));
  expect(a.requests[0]?.turns).toEqual(turns);
  expect(b.requests[0]?.turns).toEqual([{ role: "assistant", text: "one", calls: [] }, turns[1]]);
});

test("no model is asked for a longer answer than it gives", async () => {
  const a = scripted("a", says("ok"));
  await run(chainOf([a]), request({ maxOutputTokens: 50_000 }));
  expect(a.requests[0]?.maxOutputTokens).toBe(2000);
});

describe("silence", () => {
  test("ends the call, even of a model that ignores its signal, and the next one answers", async () => {
    vi.useFakeTimers();
    const chain = chainOf([scripted("a", hangs()), scripted("b", says("here"))]);
    const events = run(chain);
    await vi.advanceTimersByTimeAsync(89_999);
    expect(chain.states()[0]?.coolsForMs).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(last(await events)).toMatchObject({ model: "b", fallback: { kind: "timed-out" } });
  });

  test("is counted from the last event", async () => {
    vi.useFakeTimers();
    const events = run(chainOf([scripted("a", slow)]));
    await vi.advanceTimersByTimeAsync(400_000);
    expect(last(await events).turn.text).toBe("at last");
  });

  test("of a lone model is an error that says so", async () => {
    const chain = chainOf([scripted("a", hangs({ type: "thinking", delta: "hm" }))], 20);
    await expect(run(chain)).rejects.toMatchObject({
      kind: "timed-out",
      message: expect.stringContaining("said nothing") as string,
    });
  });

  test("is not broken for ever by mere signs of life", async () => {
    const chain = chainOf([scripted("a", pings), scripted("b", says("here"))]);
    expect(last(await run(chain)).model).toBe("b");
  });
});

test("stopping ends at once with the signal's reason, and asks nobody else", async () => {
  const b = scripted("b", says("no"));
  const stop = new AbortController();
  const chain = chainOf([scripted("a", hangs({ type: "text", delta: "a" })), b]);
  const events = chain.stream(request(), stop.signal);
  await events.next();
  const next = events.next();
  stop.abort(new Error("stopped by the user"));
  await expect(next).rejects.toThrow("stopped by the user");
  expect(b.requests).toHaveLength(0);
  expect(chain.states()[0]?.coolsForMs).toBe(0);
});

test("leaving early aborts the model's call", async () => {
  let seen: AbortSignal | undefined;
  const watched: Script = async function* (_request, signal) {
    seen = signal;
    yield await Promise.resolve({ type: "text", delta: "a" });
    await new Promise(() => undefined);
  };
  const events = chainOf([scripted("a", watched)]).stream(request(), new AbortController().signal);
  await events.next();
  expect(seen?.aborted).toBe(false);
  await events.return();
  expect(seen?.aborted).toBe(true);
});

test("a model that ends without an answer counts as unavailable", async () => {
  await expect(run(chainOf([scripted("a", empty)]))).rejects.toMatchObject({ kind: "unavailable" });
});

test("a mistake in the program is not mistaken for a failure of the model", async () => {
  const b = scripted("b", says("no"));
  await expect(run(chainOf([scripted("a", broken), b]))).rejects.toThrow("a bug");
  expect(b.requests).toHaveLength(0);
});
