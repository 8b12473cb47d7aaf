import * as z from "zod";
import { ToolError } from "../contracts/errors.ts";
import type { Effect, Tool, ToolContext, ToolResult } from "../contracts/tool.ts";

interface ToolDefinition<Input extends z.ZodObject> {
  readonly name: string;
  readonly description: string;
  readonly effect: Effect;
  readonly input: Input;
  run(input: z.infer<Input>, context: ToolContext): Promise<ToolResult>;
}

/** The one way to make a built-in tool: the model's input is parsed here, and a mistake is told to the model. */
export function defineTool<Input extends z.ZodObject>(definition: ToolDefinition<Input>): Tool {
  return {
    name: definition.name,
    description: definition.description,
    effect: definition.effect,
    inputSchema: toolInputSchema(definition.input),
    async call(input, context) {
      const parsed = definition.input.safeParse(input);
      if (!parsed.success) {
        throw new ToolError(
          `The input of ${definition.name} does not fit: ${z.prettifyError(parsed.error)}`,
        );
      }
      return await definition.run(parsed.data, context);
    },
  };
}

/** JSON Schema as a model should see it: `io: "input"`, or defaults would become required. */
function toolInputSchema(input: z.ZodObject): Readonly<Record<string, unknown>> {
  const { $schema: _, ...schema } = z.toJSONSchema(input, { io: "input" });
  return schema;
}
