import type { Command } from "commander";

/** Shows the examples in the command's help, and in each sub-command's those that call it. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  show(command, examples);
  for (const child of command.commands) {
    const call = `barnacle ${command.name()} ${child.name()}`;
    show(
      child,
      examples.filter((line) => line.startsWith(call)),
    );
  }
  return command;
}

function show(command: Command, examples: readonly string[]): void {
  if (examples.length === 0) return;
  const lines = examples.map((line) => `  ${line}\n`).join("");
  command.addHelpText("after", `\nExamples:\n${lines}`);
}
