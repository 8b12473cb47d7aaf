/** turns -> model -> tool calls -> results -> model ... -> answer. Knows nothing of chats, SQL or platforms. */
import { ToolError } from "../contracts/errors.ts";
import type { AssistantTurn, Content, ToolCall, ToolTurn, Turn } from "../contracts/model.ts";
import type { HistoryRow } from "../contracts/store.ts";
import type { Effect, Tool, ToolContext } from "../contracts/tool.ts";
import { errorText } from "../lib/error-text.ts";
import type { Answer } from "./answer.ts";
import { openCalls, toolText } from "./conversation.ts";
import type { Decision } from "./tool-policy.ts";

export interface AgentLimits {
  /** Model calls in one turn. */
  readonly steps: number;
  readonly milliseconds: number;
  /** Input and output of all model calls of the turn. */
  readonly tokens: number;
}

/** Where the turn is written down; every method is durable when it returns. */
export interface Journal {
  /** The rows of this message so far, its user turn first; grows with `append`. */
  own(): readonly HistoryRow[];
  append(turn: Turn): HistoryRow;
  beginCall(row: HistoryRow, call: ToolCall, effect: Effect | "unknown"): void;
  endCall(row: HistoryRow, call: ToolCall, result: ToolTurn): void;
  /** Begun by a process that died. */
  isInterrupted(row: HistoryRow, call: ToolCall): boolean;
}

export interface AgentOptions {
  readonly journal: Journal;
  /** Asks the model with the conversation as it stands; throws `ModelError` and the like. */
  readonly ask: (signal: AbortSignal) => Promise<Answer>;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly decide: (effect: Effect) => Decision;
  readonly context: Omit<ToolContext, "signal">;
  readonly limits: AgentLimits;
  /** Aborted with a reason when the user, or the gateway's end, stops the turn. */
  readonly signal: AbortSignal;
}

export interface Ending {
  /** The last assistant turn, not written down yet: that happens together with the reply. */
  readonly turn: AssistantTurn;
  readonly notes: readonly string[];
  /** The user stopped it and was told so: nothing more is said. */
  readonly silent?: boolean;
}

const maxResultCharacters = 60_000;

/** Thrown through the loop when the user says /stop. */
export class StoppedByUser extends Error {
  override readonly name = "StoppedByUser";
}

/** Runs one message's turn to its end, resuming where its journal stands. */
export async function runAgent(options: AgentOptions): Promise<Ending> {
  const { journal, limits, signal } = options;
  const outOfTime = AbortSignal.timeout(limits.milliseconds);
  const both = AbortSignal.any([signal, outOfTime]);
  const notes = new Set<string>();
  let tokens = 0;
  try {
    for (;;) {
      const open = openCalls(journal.own());
      if (open !== undefined) {
        await runCalls(open.row, open.calls, options, both);
        continue;
      }
      const steps = journal.own().filter(({ turn }) => turn.role === "assistant").length;
      if (steps >= limits.steps) {
        return limited(`I stopped after ${limits.steps} steps, the limit for one message.`, notes);
      }
      if (tokens >= limits.tokens) {
        return limited(`I stopped after ${tokens} tokens, above the limit for one message.`, notes);
      }
      both.throwIfAborted();
      const answer = await options.ask(both);
      tokens += answer.usage.inputTokens + answer.usage.outputTokens;
      if (answer.note !== undefined) notes.add(answer.note);
      if (answer.turn.calls.length === 0) return endingOf(answer, notes);
      journal.append(answer.turn);
    }
  } catch (error) {
    if (signal.aborted ? signal.reason instanceof StoppedByUser : outOfTime.aborted) {
      answerOpenCalls(journal);
      if (signal.aborted)
        return { turn: assistant("(Stopped by the user.)"), notes: [], silent: true };
      const minutes = Math.round(limits.milliseconds / 6000) / 10;
      return limited(`I stopped after ${minutes} minutes, the limit for one message.`, notes);
    }
    throw error;
  }
}

function endingOf({ turn, stop }: Answer, notes: ReadonlySet<string>): Ending {
  if (stop === "length") {
    const note = '(Cut off at the output limit. Send "go on" for the rest.)';
    return { turn, notes: [...notes, note] };
  }
  if (turn.text.trim() !== "") return { turn, notes: [...notes] };
  const text =
    stop === "refused" ? "The model declined to answer this." : "The model gave an empty answer.";
  return { turn: { ...turn, text }, notes: [...notes] };
}

function limited(sentence: string, notes: ReadonlySet<string>): Ending {
  return { turn: assistant(`${sentence} Send "go on" to continue.`), notes: [...notes] };
}

function assistant(text: string): AssistantTurn {
  return { role: "assistant", text, calls: [] };
}

function answerOpenCalls(journal: Journal): void {
  const open = openCalls(journal.own());
  if (open === undefined) return;
  for (const call of open.calls) {
    journal.append(
      toolText(call.id, "Stopped before it ended; whether it took effect is unknown.", true),
    );
  }
}

/** Neighbouring calls that only look run side by side; one that acts runs alone, in the order given. */
async function runCalls(
  row: HistoryRow,
  calls: readonly ToolCall[],
  options: AgentOptions,
  signal: AbortSignal,
): Promise<void> {
  const looksOnly = ({ name }: ToolCall): boolean => {
    const effect = options.tools.get(name)?.effect;
    return effect === "reads" || effect === "fetches";
  };
  let batch: ToolCall[] = [];
  const runBatch = async (): Promise<void> => {
    const running = batch;
    batch = [];
    // All are waited for, so that none is still running when the turn ends.
    const results = await Promise.allSettled(
      running.map(async (call) => await runCall(row, call, options, signal)),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  };
  for (const call of calls) {
    if (batch.length > 0 && !(looksOnly(call) && batch.every(looksOnly))) await runBatch();
    batch.push(call);
  }
  await runBatch();
}

/** Recorded before it runs and after. What a tool throws is told to the model; only an abort ends the turn. */
async function runCall(
  row: HistoryRow,
  call: ToolCall,
  { journal, tools, decide, context }: AgentOptions,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (journal.isInterrupted(row, call)) {
    const text =
      "Interrupted: the process ended while this ran, so its outcome is unknown. It was not repeated. Check what happened before you try again.";
    journal.endCall(row, call, toolText(call.id, text, true));
    return;
  }
  const tool = tools.get(call.name);
  journal.beginCall(row, call, tool?.effect ?? "unknown");
  const result = await resultOf(call, tool);
  journal.endCall(row, call, result);

  async function resultOf(call: ToolCall, tool: Tool | undefined): Promise<ToolTurn> {
    const failed = (text: string): ToolTurn => toolText(call.id, text, true);
    if (tool === undefined) {
      return failed(`There is no tool "${call.name}". There are: ${[...tools.keys()].join(", ")}.`);
    }
    if (call.malformed !== undefined) {
      return failed(
        `The input of ${call.name} was not whole JSON (cut off, or broken), so it did not run. Send the call again, shorter if it was long.`,
      );
    }
    const decision = decide(tool.effect);
    if (!decision.allow) return failed(decision.reason);
    try {
      const { content } = await tool.call(call.input, { ...context, signal });
      return { role: "tool", callId: call.id, content: content.map(bounded), failed: false };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ToolError))
        context.log.error({ error, tool: call.name }, "a tool failed");
      return failed(
        error instanceof ToolError ? error.message : `The tool failed: ${errorText(error)}`,
      );
    }
  }
}

function bounded(part: Content): Content {
  if (part.type !== "text" || part.text.length <= maxResultCharacters) return part;
  const left = part.text.length - maxResultCharacters;
  return {
    type: "text",
    text: `${part.text.slice(0, maxResultCharacters)}\n[${left} more characters were cut off; ask for less at a time]`,
  };
}
