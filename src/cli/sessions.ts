import { Command } from "commander";
import type { Address } from "../contracts/message.ts";
import type { HistoryRow } from "../contracts/store.ts";
import { exportMarkdown } from "../core/export.ts";
import { harmless } from "../lib/markdown/harmless.ts";
import { addressKey, parseAddressKey } from "../lib/address.ts";
import { addExamples } from "./examples.ts";
import { CliError, exitCodes, guarded, print, table } from "./output.ts";
import { pathsOf } from "./paths.ts";
import { withState } from "./state.ts";

interface Flags {
  readonly json?: boolean;
}

/** `sessions`: conversations, and the messages that could not be answered. */
export function sessionsCommand(): Command {
  const sessions = new Command("sessions").description("Conversations and dead letters");
  const add = (name: string, description: string): Command =>
    sessions.command(name).description(description).option("--json", "print JSON");

  add("list", "List the conversations").action(async (flags: Flags, command: Command) => {
    await guarded(flags.json === true, () => {
      const list = withState(pathsOf(command), (store) => store.history.sessions()).map(
        ({ address, turns, lastAt }) => ({
          session: addressKey(address),
          turns,
          last: new Date(lastAt).toISOString(),
        }),
      );
      const rows = list.map(({ session, turns, last }) => [session, String(turns), last]);
      const text =
        rows.length === 0
          ? "No conversations yet."
          : table([["SESSION", "TURNS", "LAST"], ...rows]);
      print(list, text, flags.json === true);
    });
  });
  for (const [name, description] of [
    ["show", "Show a conversation"],
    ["export", "Print a whole conversation as Markdown"],
  ] as const) {
    add(`${name} <session>`, description).action(
      async (session: string, flags: Flags, command: Command) => {
        await guarded(flags.json === true, () => {
          const address = addressOf(session);
          const rows = withState(pathsOf(command), (store) => store.history.all(address));
          print(rows.map(forJson), showText(address, session, rows), flags.json === true);
        });
      },
    );
  }
  add("failed", "List the messages that could not be answered").action(
    async (flags: Flags, command: Command) => {
      await guarded(flags.json === true, () => {
        const failed = withState(pathsOf(command), (store) => store.inbox.failed(100)).map(
          ({ seq, message, error }) => ({
            number: seq,
            session: addressKey(message.address),
            sender: message.sender.id,
            reason: error ?? "",
          }),
        );
        const rows = failed.map(({ number, session, reason }) => [String(number), session, reason]);
        const text =
          rows.length === 0 ? "None." : table([["NUMBER", "SESSION", "REASON"], ...rows]);
        print(failed, text, flags.json === true);
      });
    },
  );
  add("retry <number>", "Answer a failed message after all").action(
    async (number: string, flags: Flags, command: Command) => {
      await guarded(flags.json === true, () => {
        const done = withState(pathsOf(command), (store) => store.inbox.retry(Number(number)));
        if (!done) {
          throw new CliError(
            `There is no failed message ${number}. "barnacle sessions failed" lists them.`,
            "not-found",
            exitCodes.usage,
          );
        }
        const text = `Message ${number} waits again; a running gateway takes it up within a second.`;
        print({ number: Number(number) }, text, flags.json === true);
      });
    },
  );
  return addExamples(sessions, examples);
}

const examples = [
  "barnacle sessions list",
  "barnacle sessions show telegram/123456",
  "barnacle sessions export telegram/123456 > conversation.md",
  "barnacle sessions failed    messages that could not be answered",
  "barnacle sessions retry 42  answer one of them after all",
];

function showText(address: Address, session: string, rows: readonly HistoryRow[]): string {
  // Whoever wrote these words must not steer the operator's terminal with them.
  if (rows.length > 0) return harmless(exportMarkdown(address, rows)).trimEnd();
  throw noConversation(session);
}

function addressOf(session: string): Address {
  try {
    return parseAddressKey(session);
  } catch {
    throw noConversation(session); // a % that begins no escape
  }
}

function noConversation(session: string): CliError {
  return new CliError(
    `There is no conversation "${session}". "barnacle sessions list" names them.`,
    "not-found",
    exitCodes.usage,
  );
}

/** Pictures are named, not printed. */
function forJson({ seq, turn, createdAt }: HistoryRow): unknown {
  const content =
    turn.role === "assistant"
      ? { text: turn.text, calls: turn.calls }
      : {
          content: turn.content.map((part) =>
            part.type === "text" ? part : { type: "image", mediaType: part.mediaType },
          ),
        };
  return { seq, role: turn.role, at: new Date(createdAt).toISOString(), ...content };
}
