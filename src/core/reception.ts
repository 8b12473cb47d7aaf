/** message -> access -> inbox and everything said because of it, in one transaction. Commands are answered right here. */
import type { Channel } from "../contracts/channel.ts";
import { StateError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address, InboundMessage, OutboundMessage } from "../contracts/message.ts";
import type { InboxRow, InboxState, Store } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";
import { errorText } from "../lib/error-text.ts";
import type { Access, Verdict } from "./access.ts";
import { type Command, type CommandContext, parseCommand } from "./commands.ts";
import type { Delivery } from "./delivery.ts";
import type { PeopleDesk } from "./people-desk.ts";
import { spaceOf } from "./space.ts";

export interface ReceptionOptions {
  readonly store: Store;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly access: Access;
  readonly people: PeopleDesk;
  readonly commands: readonly Command[];
  readonly delivery: Delivery;
  /** Aborts the turn that runs at an address. */
  readonly stopTurn: (at: Address) => boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface Reception {
  /**
   * Durable when it returns: the message, what was decided about it, and every line said because of it. What is to be
   * answered waits in the inbox. Throws `StateError`, with nothing changed.
   */
  receive(message: InboundMessage): void;
  isAdmitted(message: InboundMessage): boolean;
}

/** More waiting messages of one conversation than this are refused with a sentence. */
const maxWaiting = 200;

export function createReception(options: ReceptionOptions): Reception {
  const { store, channels, access, people, commands, delivery, stopTurn, log } = options;

  return {
    receive(message) {
      const verdict = access.judge(message);
      for (const at of store.transaction(() => take(message, verdict))) delivery.kick(at);
    },
    isAdmitted(message) {
      const { as } = access.judge(message);
      return as === "owner" || as === "member";
    },
  };

  /** Returns the addresses that have something to be sent. */
  function take(message: InboundMessage, verdict: Verdict): readonly Address[] {
    const { address, sender } = message;
    const row = store.inbox.accept(message, stateOf(message, verdict));
    if (row === undefined) return [];
    log.debug({ address: addressKey(address), seq: row.seq, as: verdict.as }, "accepted");
    switch (verdict.as) {
      case "bystander":
        return [];
      case "claimant":
        people.crown(message);
        log.info({ channel: address.channel, id: sender.id }, "the ownership code was used");
        return [address];
      case "stranger":
        people.meetStranger(message, verdict);
        return verdict.tell ? [address, ...access.owners()] : [];
      case "owner":
      case "member":
        if (message.isPrivate && verdict.as === "owner") {
          store.people.sawChat(address.channel, sender.id, address.chat);
        }
        return takeAdmitted(row, verdict.as === "owner");
    }
  }

  function takeAdmitted(row: InboxRow, isOwner: boolean): readonly Address[] {
    const { message, seq } = row;
    const { address } = message;
    if (message.press !== undefined) return takePress(row, isOwner);
    const parsed = parseCommand(commands, message);
    if (parsed?.command.run !== undefined) {
      const context = {
        message,
        seq,
        isOwner,
        space: spaceOf(message, isOwner),
        args: parsed.args,
      };
      delivery.enqueue(address, answerOf(parsed.command.name, parsed.command.run, context), seq);
      store.inbox.settle(seq, "answered");
      return [address];
    }
    // What waits for its place need not wait for a turn that it makes pointless.
    if (parsed?.command.name === "new") stopTurn(address);
    if (store.inbox.waitingAt(address) > maxWaiting) {
      const text = `${maxWaiting} messages are waiting here already, so I did not take this one. Send /stop, or write again later.`;
      store.inbox.settle(seq, "failed", "Too many messages were waiting.");
      delivery.enqueue(address, { text }, seq);
      return [address];
    }
    return [];
  }

  /** A command that fails is told, or its message would be offered for ever and stand in the way of all others. */
  function answerOf(
    name: string,
    run: NonNullable<Command["run"]>,
    context: CommandContext,
  ): OutboundMessage {
    try {
      return run(context);
    } catch (error) {
      if (error instanceof StateError) throw error;
      log.error({ error, command: name }, "a command failed");
      return { text: `/${name} did not work: ${errorText(error)}` };
    }
  }

  function takePress({ message, seq }: InboxRow, isOwner: boolean): readonly Address[] {
    const { address, press } = message;
    const decision = press && people.decisionOf(press.button);
    if (press === undefined || decision === undefined || !isOwner) {
      store.inbox.settle(seq, "ignored");
      return [];
    }
    const outcome = people.decide(decision.number, decision.standing);
    store.inbox.settle(seq, "answered");
    const channel = channels.get(address.channel);
    const edited = channel?.edit?.(address, press.messageId, { text: outcome }, options.signal);
    edited?.catch((error: unknown) => log.warn({ error }, "the outcome of a tap was not shown"));
    return [];
  }
}

function stateOf(message: InboundMessage, verdict: Verdict): InboxState {
  switch (verdict.as) {
    case "owner":
    case "member":
      return "waiting";
    case "claimant":
      return "answered";
    case "bystander":
      return "ignored";
    case "stranger":
      // The first message is kept for the owner's word; what follows is not.
      return verdict.may === "ask" && verdict.tell && message.press === undefined
        ? "held"
        : "ignored";
  }
}
