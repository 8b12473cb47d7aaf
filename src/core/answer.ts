import type { AssistantTurn, StopReason, Usage } from "../contracts/model.ts";

/** One whole answer of a model. */
export interface Answer {
  readonly turn: AssistantTurn;
  readonly stop: StopReason;
  readonly usage: Usage;
  /** The id of the model that answered. */
  readonly model: string;
  /** For the chat: that a fallback answered, and why. */
  readonly note?: string | undefined;
}
