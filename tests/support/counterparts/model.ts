import { join } from "node:path";
import type { GateRule, Reached, Verdict } from "./gates.ts";
import { startCounterpart } from "./remote.ts";
import type { Counterpart } from "./remote.ts";

/** Where a request can be held, dropped or told. The text matched is the last user message. */
export type ModelPoint = "request received" | "mid-stream" | "last byte";

/** One request, as the journal keeps it. */
export interface ModelCall {
  readonly seq: number;
  readonly wire: "openai" | "anthropic";
  readonly model: string;
  /** When the whole request was here, and when the last byte of the response was handed to the kernel. */
  readonly atMs: number;
  doneAtMs?: number;
  /** Of the whole request body. */
  readonly bytes: number;
  /** System prompt and tool schemas as they stood in the request: JSON text. */
  readonly system: string;
  readonly tools: string;
  readonly lastUser: string;
  /** Results of the tools called since the last user message, in order. */
  readonly results: readonly ToolOutcome[];
  readonly turns: number;
  readonly images: readonly { readonly mediaType: string; readonly bytes: number }[];
  /** Why the real service would have refused this request; it was answered with status 400. */
  readonly complaint?: string | undefined;
  readonly answer: "text" | "calls" | "error" | "silence" | "dropped";
}

export interface ToolOutcome {
  readonly text: string;
  readonly failed: boolean;
}

export interface ModelFault {
  /** Only requests whose last user message contains this. */
  readonly match?: string;
  readonly status: number;
  readonly times?: number;
  readonly retryAfterSeconds?: number;
}

export type ModelEvent =
  | Reached<ModelPoint>
  | { readonly type: "called"; readonly seq: number; readonly lastUser: string }
  | { readonly type: "done"; readonly seq: number; readonly lastUser: string };

export type ModelControl = {
  listen(port: number): Promise<number>;
  arm(rule: GateRule<ModelPoint>): number;
  release(id: number, verdict: Verdict): void;
  releaseAll(verdict: Verdict): void;
  fault(fault: ModelFault): void;
  clearFaults(): void;
  /** The journal; the newest `last`, or all that it keeps. */
  calls(last?: number): readonly ModelCall[];
  countCalls(): number;
  /** The body of a request of the journal, while it is kept (the newest 50). */
  body(seq: number): string | undefined;
  forget(): void;
};

export interface Model extends Counterpart<ModelControl, ModelEvent> {
  readonly port: number;
  /** For `llm.base_url`: OpenAI's ends in /v1, Anthropic's does not. */
  readonly openaiUrl: string;
  readonly anthropicUrl: string;
}

/** Starts the scripted model (see `model-script.ts` for what it answers) on loopback, in its own process. */
export async function startModel(): Promise<Model> {
  const counterpart = await startCounterpart<ModelControl, ModelEvent>(
    join(import.meta.dirname, "model-server.ts"),
  );
  const port = await counterpart.remote.listen(0);
  const anthropicUrl = `http://127.0.0.1:${port}`;
  return { ...counterpart, port, anthropicUrl, openaiUrl: `${anthropicUrl}/v1` };
}
