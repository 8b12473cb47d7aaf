import type { ToolCall } from "../contracts/model.ts";

/** A call whose input arrived as text: parsed, or marked as malformed when the text is no whole JSON. */
export function toolCall(id: string, name: string, text: string): ToolCall {
  if (text.trim() === "") return { id, name, input: {} };
  try {
    return { id, name, input: JSON.parse(text) as unknown };
  } catch {
    return { id, name, input: undefined, malformed: text };
  }
}

/** The input as the object which every API demands; a malformed one was answered with an error and goes as {}. */
export function inputObject(call: ToolCall): Record<string, unknown> {
  const { input } = call;
  const isObject = typeof input === "object" && input !== null && !Array.isArray(input);
  return isObject ? (input as Record<string, unknown>) : {};
}
