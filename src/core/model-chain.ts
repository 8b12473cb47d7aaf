import { ModelError } from "../contracts/errors.ts";
import type { FailureKind } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { ChatModel, ModelEvent, ModelRequest } from "../contracts/model.ts";

/** Why a model did not answer, told to the chat when another one did. */
interface Fallback {
  /** The id of the model that should have answered. */
  readonly instead: string;
  readonly kind: FailureKind;
  /** "openai/gpt-4o-mini answered, because anthropic/claude-sonnet-4-5 is rate-limited for 2 minutes." */
  readonly sentence: string;
}

type Done = Extract<ModelEvent, { type: "done" }>;

export type ChainEvent =
  | Exclude<ModelEvent, Done>
  /** The model failed amid its answer: discard the text so far, another one begins anew. */
  | { readonly type: "restarted"; readonly failed: string; readonly reason: string }
  | (Done & {
      /** The id of the model that answered. */
      readonly model: string;
      readonly fallback?: Fallback | undefined;
    });

interface ModelState {
  readonly id: string;
  /** Milliseconds until it is asked again; 0 when it is ready. */
  readonly coolsForMs: number;
  /** "is rate-limited for 2 minutes"; undefined when it is ready. */
  readonly reason: string | undefined;
}

export interface ModelChain {
  /** The model that answers when nothing is wrong. */
  readonly first: ChatModel;
  readonly models: readonly ChatModel[];
  /**
   * The answer of the first model that gives one; ends with exactly one `done`, which names it. Throws the `ModelError` of
   * the only model, one error about all of them, or the signal's reason.
   */
  stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ChainEvent, void>;
  /** For status and doctor, in the configured order. */
  states(): readonly ModelState[];
}

export interface ModelChainOptions {
  /** The configured model, then its fallbacks. */
  readonly models: readonly ChatModel[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
  /** A call without any event for so long is ended; each event starts the time anew. */
  readonly idleTimeoutMs?: number;
}

/** Mere signs of life (empty thinking events) keep a call alive no longer than this. */
const maxKeepAliveMs = 10 * 60_000;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** How long a model rests after its first failure of a kind; doubled with each further one, up to the limit. */
const rests: Readonly<
  Record<FailureKind, { readonly firstMs: number; readonly maxMs: number } | undefined>
> = {
  "rate-limited": { firstMs: minuteMs, maxMs: hourMs },
  unavailable: { firstMs: minuteMs / 2, maxMs: 10 * minuteMs },
  "timed-out": { firstMs: minuteMs / 2, maxMs: 10 * minuteMs },
  unpaid: { firstMs: hourMs, maxMs: 12 * hourMs },
  unauthorized: { firstMs: hourMs, maxMs: 12 * hourMs },
  "unknown-model": { firstMs: hourMs, maxMs: 12 * hourMs },
  // The request is at fault, so another model is no help.
  rejected: undefined,
  "too-long": undefined,
};

interface Member {
  readonly model: ChatModel;
  failure:
    | { readonly kind: FailureKind; readonly count: number; readonly until: number }
    | undefined;
}

/** Asks the configured model, and its fallbacks while it cannot answer; remembers who has to rest, and for how long. */
export function createModelChain(options: ModelChainOptions): ModelChain {
  const { models, now, log, idleTimeoutMs = 90_000 } = options;
  const [first] = models;
  if (first === undefined) throw new RangeError("A model chain needs at least one model.");
  const members = models.map((model): Member => ({ model, failure: undefined }));

  async function* stream(
    request: ModelRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ChainEvent, void> {
    const errors: ModelError[] = [];
    for (const member of inOrder(members, now())) {
      signal.throwIfAborted();
      let hasSpoken = false;
      try {
        for await (const event of listen(member.model, fitted(request, member.model), signal)) {
          if (event.type === "done") {
            member.failure = undefined;
            yield { ...event, model: member.model.id, fallback: fallbackFor(member) };
            return;
          }
          hasSpoken ||= event.type === "text";
          yield event;
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ModelError) || rests[error.kind] === undefined) throw error;
        errors.push(error);
        rest(member, error);
        if (hasSpoken && errors.length < members.length) {
          yield { type: "restarted", failed: member.model.id, reason: reasonOf(member, now()) };
        }
      }
    }
    throw summary(errors);
  }

  function rest(member: Member, { kind, retryAfterMs }: ModelError): void {
    const span = rests[kind];
    if (span === undefined) return;
    const count = member.failure?.kind === kind ? member.failure.count + 1 : 1;
    const ownMs = Math.min(span.maxMs, span.firstMs * 2 ** (count - 1));
    // A rate limit is over when its platform says so; an overload is tried again soon, whatever it says.
    const askedMs = kind === "rate-limited" ? retryAfterMs : undefined;
    const coolMs = askedMs ?? ownMs;
    member.failure = { kind, count, until: now() + coolMs };
    log.warn({ model: member.model.id, kind, count, coolMs }, "model failed, it rests");
  }

  /** The first model that was passed over, unless the one that answered stands before all others. */
  function fallbackFor(answered: Member): Fallback | undefined {
    const [preferred] = members;
    if (preferred === undefined || preferred === answered || preferred.failure === undefined) {
      return undefined;
    }
    const { id } = preferred.model;
    const sentence = `${answered.model.id} answered, because ${id} ${reasonOf(preferred, now())}.`;
    return { instead: id, kind: preferred.failure.kind, sentence };
  }

  async function* listen(
    model: ChatModel,
    request: ModelRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ModelEvent, void> {
    const idle = new AbortController();
    const both = AbortSignal.any([signal, idle.signal]);
    const events = model.stream(request, both)[Symbol.asyncIterator]();
    let lastSaidAt = now();
    try {
      for (;;) {
        const next = await withinTime(
          events.next(),
          both,
          () => idle.abort(silent(model, idleTimeoutMs)),
          idleTimeoutMs,
        );
        if (next.done === true) throw endless(model);
        const event = next.value;
        if (event.type !== "thinking" || event.delta !== "") lastSaidAt = now();
        else if (now() - lastSaidAt > maxKeepAliveMs) throw silent(model, maxKeepAliveMs);
        yield event;
        if (event.type === "done") return;
      }
    } finally {
      // Not awaited: a model that ignores its signal must not hold us.
      void Promise.resolve(events.return?.()).catch(() => undefined);
      idle.abort(new Error("The call is over."));
    }
  }

  return {
    first,
    models,
    stream,
    states: () =>
      members.map((member) => {
        const coolsForMs = Math.max(0, (member.failure?.until ?? 0) - now());
        const reason = coolsForMs > 0 ? reasonOf(member, now()) : undefined;
        return { id: member.model.id, coolsForMs, reason };
      }),
  };
}

/** Those that are ready, in the configured order; only when all of these failed those at rest, the soonest ready first. */
function inOrder(members: readonly Member[], now: number): readonly Member[] {
  const restsUntil = ({ failure }: Member): number => failure?.until ?? 0;
  const isReady = (member: Member): boolean => restsUntil(member) <= now;
  const resting = members.filter((member) => !isReady(member));
  return [...members.filter(isReady), ...resting.sort((a, b) => restsUntil(a) - restsUntil(b))];
}

/** As this model may see it: no other model's private state, and no longer an answer than it can give. */
function fitted(request: ModelRequest, model: ChatModel): ModelRequest {
  return {
    ...request,
    maxOutputTokens: Math.min(request.maxOutputTokens, model.maxOutputTokens),
    turns: request.turns.map((turn) => {
      if (turn.role !== "assistant" || turn.opaque === undefined) return turn;
      if (turn.opaque.model === model.id) return turn;
      const { opaque: _, ...rest } = turn;
      return rest;
    }),
  };
}

/** The promise's value, unless the signal is aborted first; `onTimeout` is called when it takes longer than `ms`. */
async function withinTime<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  onTimeout: () => void,
  ms: number,
): Promise<T> {
  const timer = setTimeout(onTimeout, ms);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    promise.catch(() => undefined); // it may still fail later, when nobody listens
  }
}

function silent({ id }: ChatModel, ms: number): ModelError {
  return new ModelError(`${id} said nothing for ${duration(ms)}, so the call was ended.`, {
    kind: "timed-out",
  });
}

function endless({ id }: ChatModel): ModelError {
  return new ModelError(`${id} ended its answer without finishing it.`, { kind: "unavailable" });
}

/** One error about all: of the kind that waiting helps with, if any, and with the shortest wait. */
function summary(errors: readonly ModelError[]): ModelError {
  const [only, ...more] = errors;
  if (only === undefined) throw new RangeError("No model was asked.");
  if (more.length === 0) return only;
  const waitable = errors.find(({ kind }) =>
    ["rate-limited", "unavailable", "timed-out"].includes(kind),
  );
  const waits = errors.flatMap(({ retryAfterMs }) => retryAfterMs ?? []);
  return new ModelError(
    `No model could answer. ${errors.map(({ message }) => message).join(" ")}`,
    {
      kind: (waitable ?? only).kind,
      retryAfterMs: waits.length === errors.length ? Math.min(...waits) : undefined,
      cause: only,
    },
  );
}

function reasonOf({ failure }: Member, now: number): string {
  const left = Math.max(0, (failure?.until ?? 0) - now);
  const span = left > 0 ? ` for ${duration(left)}` : "";
  switch (failure?.kind) {
    case "rate-limited":
      return `is rate-limited${span}`;
    case "timed-out":
      return "did not answer in time";
    case "unpaid":
      return "has no credit left";
    case "unauthorized":
      return "refused our key";
    case "unknown-model":
      return "is not known to its provider";
    default:
      return "is not available at the moment";
  }
}

/** "45 seconds", "2 minutes", "3 hours". */
function duration(ms: number): string {
  const [size, unit] =
    ms < 100_000 ? [1000, "second"] : ms < 100 * minuteMs ? [minuteMs, "minute"] : [hourMs, "hour"];
  const amount = Math.max(1, Math.round(ms / size));
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}
