/** claim -> user turn (durable) -> agent -> its ending (answer, reply and settling are one transaction) -> delivery. */
import type { Channel } from "../contracts/channel.ts";
import { StateError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address, InboundMessage } from "../contracts/message.ts";
import type { Content, Turn } from "../contracts/model.ts";
import type { Sandbox } from "../contracts/sandbox.ts";
import type { HistoryRow, InboxRow, Store } from "../contracts/store.ts";
import type { Tool } from "../contracts/tool.ts";
import { type AgentLimits, type Ending, type Journal, runAgent } from "./agent.ts";
import type { Asking } from "./asking.ts";
import { fetchAttachments } from "./attachments.ts";
import { viewTokens } from "./conversation.ts";
import type { Delivery } from "./delivery.ts";
import { messageText, systemPrompt } from "./prompt.ts";
import { mainSpace } from "./space.ts";
import { turnTokens } from "./tokens.ts";
import { sinceLastEnd, type TurnEndings } from "./turn-endings.ts";
import { decide, type PolicyRules } from "./tool-policy.ts";
import { keepTyping } from "./typing.ts";

export interface TurnsOptions {
  readonly store: Store;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly delivery: Delivery;
  readonly endings: TurnEndings;
  readonly sandbox: Sandbox;
  readonly tools: readonly Tool[];
  readonly asking: Asking;
  readonly policy: PolicyRules;
  readonly limits: AgentLimits;
  readonly name: string;
  readonly log: Logger;
  readonly now: () => number;
}

export interface Turns {
  /** Ends with the message settled, postponed, or (gateway stopping) given back. Throws only `StateError`. */
  run(row: InboxRow, space: string, signal: AbortSignal): Promise<void>;
  /** Compresses a conversation now. A sentence on what was done. */
  compactNow(at: Address, sender: string, signal: AbortSignal): Promise<string>;
}

const personaFreshMs = 10 * 60_000;

export function createTurns(options: TurnsOptions): Turns {
  const { store, channels, delivery, endings, sandbox, asking, log, now } = options;
  let persona = { text: "", until: 0 };
  let allTools: Promise<ReadonlyMap<string, Tool>> | undefined;

  return {
    async run(row, space, signal) {
      const { message } = row;
      const stopTyping = keepTyping(channels.get(message.address.channel), message.address);
      try {
        if (row.state === "waiting" && endings.giveUpIfWornOut(row)) return;
        await begin(row, space, signal);
        endings.finish(row, await answer(row, space, signal));
      } catch (error) {
        if (error instanceof StateError) throw error;
        endings.fail(row, error, signal);
      } finally {
        stopTyping();
        delivery.kick(message.address);
      }
    },
    async compactNow(at, sender, signal) {
      const before = viewTokens(store.history.view(at));
      const done = await asking.compactNow(at, sender, signal);
      const after = viewTokens(store.history.view(at));
      return done
        ? `Compressed from about ${before} to about ${after} tokens. The words themselves are kept: /export has them.`
        : "There is nothing to compress yet.";
    },
  };

  /** Claims the message and writes its user turn, unless a former process has done so. */
  async function begin(row: InboxRow, space: string, signal: AbortSignal): Promise<void> {
    const { message, seq } = row;
    const claim = (): void => {
      if (row.state === "waiting") store.inbox.claim(seq);
    };
    const hasBegun = sinceLastEnd(store.history.ofMessage(seq)).length > 0;
    const needsFiles = !hasBegun && message.attachments.length > 0;
    if (needsFiles) {
      claim();
      const turn = await userTurn(message, space, signal);
      append(message.address, seq, turn);
      return;
    }
    // Undone by a power cut, it is taken again: nothing has been done yet.
    store.swiftly(() => {
      claim();
      if (!hasBegun) append(message.address, seq, textTurn(message, []));
    });
  }

  async function userTurn(
    message: InboundMessage,
    space: string,
    signal: AbortSignal,
  ): Promise<Turn> {
    const channel = channels.get(message.address.channel);
    if (channel === undefined) return textTurn(message, []);
    const { images, lines } = await fetchAttachments(message, channel, sandbox, space, signal);
    return textTurn(message, lines, images);
  }

  function append(at: Address, inboxSeq: number, turn: Turn): HistoryRow {
    return store.history.append(at, inboxSeq, turn, turnTokens(turn));
  }

  async function answer(row: InboxRow, space: string, signal: AbortSignal): Promise<Ending> {
    const { address, sender } = row.message;
    const own: HistoryRow[] = sinceLastEnd(store.history.ofMessage(row.seq));
    const tools = await toolsByName();
    const system = systemPrompt({
      name: options.name,
      space,
      persona: await readPersona(signal),
      hasTools: tools.size > 0,
    });
    const journal: Journal = {
      own: () => own,
      append(turn) {
        const added = append(address, row.seq, turn);
        own.push(added);
        return added;
      },
      beginCall: (at, call, effect) => store.calls.begin(at.seq, call, address, effect),
      endCall(at, call, result) {
        const added = store.transaction(() => {
          store.calls.end(at.seq, call.id, result.failed);
          return append(address, row.seq, result);
        });
        own.push(added);
      },
      isInterrupted: (at, call) => store.calls.isInterrupted(at.seq, call.id),
    };
    return await runAgent({
      journal,
      ask: asking.begin({
        at: address,
        inboxSeq: row.seq,
        sender: `${address.channel}/${sender.id}`,
        system,
        tools: [...tools.values()].map(({ name, description, inputSchema }) => ({
          name,
          description,
          inputSchema,
        })),
      }),
      tools,
      decide: (effect) => decide(effect, options.policy),
      context: { address, sender, space, log },
      limits: options.limits,
      signal,
    });
  }

  async function toolsByName(): Promise<ReadonlyMap<string, Tool>> {
    allTools ??= sandbox
      .tools()
      .then((own) => new Map([...own, ...options.tools].map((tool) => [tool.name, tool])));
    try {
      return await allTools;
    } catch (error) {
      allTools = undefined;
      throw error;
    }
  }

  /**
   * The operator's word is the same for every space, so one of them is asked. Read again when old, so that an edit
   * counts without a restart; a sandbox in trouble does not silence the bot.
   */
  async function readPersona(signal: AbortSignal): Promise<string> {
    if (persona.until > now()) return persona.text;
    try {
      const text = await sandbox.persona(mainSpace, signal);
      persona = { text, until: now() + personaFreshMs };
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ error }, "the persona files could not be read");
    }
    return persona.text;
  }
}

function textTurn(
  message: InboundMessage,
  files: readonly string[],
  images: readonly Content[] = [],
): Turn {
  return {
    role: "user",
    content: [{ type: "text", text: messageText(message, files) }, ...images],
  };
}
