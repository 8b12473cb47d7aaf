import type { Address } from "../contracts/message.ts";
import type { Turn } from "../contracts/model.ts";
import type { HistoryRow } from "../contracts/store.ts";

/** A conversation as a Markdown document: every word, and every tool call with its result. */
export function exportMarkdown(address: Address, rows: readonly HistoryRow[]): string {
  const thread = address.thread === undefined ? "" : `, thread ${address.thread}`;
  const title = `# Conversation: ${address.channel}, chat ${address.chat}${thread}`;
  return (
    [title, ...rows.map(({ turn, createdAt }) => section(turn, createdAt))].join("\n\n") + "\n"
  );
}

function section(turn: Turn, createdAt: number): string {
  const time = new Date(createdAt).toISOString();
  if (turn.role === "assistant") {
    const calls = turn.calls.map(
      ({ name, input }) => `Calls \`${name}\`:\n${fenced(JSON.stringify(input, null, 2))}`,
    );
    return [`## Assistant, ${time}`, turn.text, ...calls]
      .filter((part) => part !== "")
      .join("\n\n");
  }
  const words = turn.content
    .map((part) => (part.type === "text" ? part.text : `[a picture, ${part.mediaType}]`))
    .join("\n");
  if (turn.role === "user") return `## User, ${time}\n\n${words}`;
  return `### Tool result${turn.failed ? " (failed)" : ""}, ${time}\n\n${fenced(words)}`;
}

/** A fence longer than any inside. */
function fenced(words: string): string {
  const longest = Math.max(2, ...[...words.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${words}\n${fence}`;
}
