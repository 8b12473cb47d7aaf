import type { CommandSpec } from "../contracts/channel.ts";
import type { InboundMessage, OutboundMessage } from "../contracts/message.ts";
import type { Store } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";
import type { Budget } from "./budget.ts";
import { exportMarkdown } from "./export.ts";

export interface CommandContext {
  readonly message: InboundMessage;
  readonly seq: number;
  readonly isOwner: boolean;
  readonly space: string;
  /** What follows the command's name, trimmed. */
  readonly args: string;
}

export interface Command extends CommandSpec {
  /** Answered at once, also while a turn runs; works without any model. */
  readonly run?: (context: CommandContext) => OutboundMessage;
  /** Waits for its place among the conversation's turns; runs as one. */
  readonly inTurn?: (context: CommandContext, signal: AbortSignal) => Promise<string> | string;
}

export interface CommandDeps {
  readonly store: Store;
  readonly budget: Budget;
  /** Configured models, the default first. */
  readonly models: readonly string[];
  readonly status: (context: CommandContext) => string;
  /** Aborts what runs at the message's address. False if nothing did. */
  readonly stopTurn: (message: InboundMessage) => boolean;
  readonly compactNow: (context: CommandContext, signal: AbortSignal) => Promise<string>;
  readonly decidePerson: (number: number, standing: "allowed" | "blocked") => string;
}

/** The chat commands, in the order of `/help` and of the platforms' menus. */
export function createCommands(deps: CommandDeps): readonly Command[] {
  const { store, budget, models } = deps;
  const commands: Command[] = [
    {
      name: "help",
      description: "What I can do",
      run: ({ isOwner }) => text(helpText(commands, isOwner)),
    },
    {
      name: "new",
      description: "Start a fresh conversation",
      inTurn({ message, seq }) {
        store.history.startAnew(message.address, seq);
        return "A fresh conversation. What was said before is kept, but I no longer look at it.";
      },
    },
    {
      name: "stop",
      description: "Stop what I am doing",
      run({ message }) {
        const before = store.inbox.waitingAt(message.address);
        const stopped = deps.stopTurn(message);
        // Neither this command nor the stopped message waits any longer.
        const waiting = before - (stopped ? 2 : 1);
        const queue = waiting > 0 ? ` Messages still waiting: ${waiting}.` : "";
        return text((stopped ? "Stopped." : "I was not doing anything.") + queue);
      },
    },
    { name: "status", description: "How I am", run: (context) => text(deps.status(context)) },
    {
      name: "model",
      description: "Show or choose the model",
      run: ({ message, args, isOwner }) =>
        text(chooseModel(store, models, addressKey(message.address), args, isOwner)),
    },
    {
      name: "usage",
      description: "Tokens and money today",
      run: ({ message }) => text(budget.report(message.address)),
    },
    {
      name: "whoami",
      description: "Your id and rights",
      run: ({ message, isOwner, space }) =>
        text(
          `You are ${message.sender.name}, id \`${message.sender.id}\` on ${message.address.channel}, ${isOwner ? "the owner" : "admitted"}. This conversation's space is \`${space}\`.`,
        ),
    },
    {
      name: "compact",
      description: "Compress the conversation so far",
      inTurn: async (context, signal) => await deps.compactNow(context, signal),
    },
    {
      name: "export",
      description: "This conversation as a file",
      run({ message }) {
        const rows = store.history.all(message.address);
        if (rows.length === 0) return text("There is nothing to export yet.");
        const data = new TextEncoder().encode(exportMarkdown(message.address, rows));
        const name = `conversation-${new Date().toISOString().slice(0, 10)}.md`;
        return { text: "", files: [{ name, mediaType: "text/markdown", data }] };
      },
    },
  ];
  const ofOwner = (name: string, standing: "allowed" | "blocked"): Command => ({
    name,
    description: "",
    run: ({ args, isOwner }) =>
      text(isOwner ? deps.decidePerson(Number(args), standing) : "Only the owner may do that."),
  });
  // For platforms without buttons; not in the menus.
  return [...commands, ofOwner("allow", "allowed"), ofOwner("block", "blocked")];
}

/** The menu of a platform: the commands that have a description. */
export function menuOf(commands: readonly Command[]): readonly CommandSpec[] {
  return commands
    .filter(({ description }) => description !== "")
    .map(({ name, description }) => ({ name, description }));
}

/** "/new", "/model gpt-4o"; other text that begins with a slash is for the model. */
export function parseCommand(
  commands: readonly Command[],
  message: InboundMessage,
): { readonly command: Command; readonly args: string } | undefined {
  const match = /^\/([a-z]+)(?:\s+([\s\S]*))?$/i.exec(message.text.trim());
  if (match === null || message.attachments.length > 0) return undefined;
  const name = match[1]?.toLowerCase() === "start" ? "help" : match[1]?.toLowerCase();
  const command = commands.find((one) => one.name === name);
  return command && { command, args: match[2]?.trim() ?? "" };
}

function text(words: string): OutboundMessage {
  return { text: words };
}

function helpText(commands: readonly Command[], isOwner: boolean): string {
  const lines = menuOf(commands).map(({ name, description }) => `/${name} - ${description}`);
  const owner = isOwner
    ? ["", "You are the owner: `/allow N` and `/block N` decide who else may write."]
    : [];
  return ["Write to me, or send pictures and files. Commands:", "", ...lines, ...owner].join("\n");
}

function chooseModel(
  store: Store,
  models: readonly string[],
  scope: string,
  wanted: string,
  isOwner: boolean,
): string {
  const chosen = store.settings.get(scope, "model") ?? models[0];
  const list = models.map((model) => `- \`${model}\`${model === chosen ? " (in use)" : ""}`);
  if (wanted === "")
    return `Models of this chat:\n${list.join("\n")}\n\nChoose with \`/model NAME\`.`;
  if (!isOwner) return "Only the owner may choose the model.";
  const matches = models.filter((model) => model === wanted || model.includes(wanted));
  const [match] = models.includes(wanted) ? [wanted] : matches;
  if (match === undefined || (matches.length > 1 && !models.includes(wanted))) {
    return `"${wanted}" does not name one model. There are:\n${list.join("\n")}`;
  }
  store.settings.set(scope, "model", match === models[0] ? undefined : match);
  return `This chat now uses \`${match}\`.`;
}
