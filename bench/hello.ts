import { estimateTokenCount } from "tokenx";
import type { Rig } from "../tests/support/rig.ts";

export interface HelloFigures {
  /** System prompt and tool schemas, estimated as the gateway itself does it. */
  readonly tokens: number;
  readonly systemTokens: number;
  readonly toolTokens: number;
  readonly tools: number;
  /** The whole request body. */
  readonly bytes: number;
}

/** What a plain "hello" costs before the model has said a word. */
export async function measureHello(rig: Rig): Promise<HelloFigures> {
  await rig.say(1001, "/new");
  await rig.say(1001, "hello", { includes: "heard" });
  const [call] = await rig.model.remote.calls(1);
  if (call === undefined) throw new Error("The model was not called.");
  const system = (JSON.parse(call.system) as readonly string[]).join("\n");
  const tools = JSON.parse(call.tools) as readonly unknown[];
  const systemTokens = estimateTokenCount(system);
  const toolTokens = tools.length === 0 ? 0 : estimateTokenCount(call.tools);
  return {
    tokens: systemTokens + toolTokens,
    systemTokens,
    toolTokens,
    tools: tools.length,
    bytes: call.bytes,
  };
}
