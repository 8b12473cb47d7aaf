import type { Logger } from "./logger.ts";
import type { Address, Sender } from "./message.ts";
import type { Content, ToolSpec } from "./model.ts";

/** What a tool can do to the world. Policy is decided on this, never on a name. */
export type Effect =
  | "reads"
  | "writes"
  | "runs"
  | "fetches"
  | "sends"
  | "schedules"
  | "remembers"
  | "installs";

/** Whose words a result carries. Untrusted words in a turn narrow what the rest of the turn may do unasked. */
export type Origin = "owner" | "own-files" | "untrusted";

export interface ToolContext {
  readonly address: Address;
  readonly sender: Sender;
  /** The part of the workspace this conversation may see. */
  readonly space: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface ToolResult {
  readonly content: readonly Content[];
  readonly origin: Origin;
}

export interface Tool extends ToolSpec {
  readonly effect: Effect;
  /** Takes the model's raw input and validates it. A `ToolError`'s message goes back to the model. */
  call(input: unknown, context: ToolContext): Promise<ToolResult>;
}
