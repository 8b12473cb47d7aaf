import { randomInt } from "node:crypto";
import type { InboundMessage } from "../contracts/message.ts";
import type { People, Person } from "../contracts/store.ts";

/** Who may use one configured channel. */
export interface AccessRules {
  readonly allowedUsers: "everyone" | readonly string[];
  /** Narrows the rooms: room and sender must both pass, unless the room admits all its members. */
  readonly allowedChats?:
    | readonly { readonly id: string; readonly members: "all" | "admitted" }[]
    | undefined;
  /** A stranger in a private chat may ask the owner to be let in. */
  readonly pairing: boolean;
  /** A word that addresses the bot in a group, besides a mention or a reply. */
  readonly groupTrigger?: string | undefined;
  /** Whoever reaches this channel is the owner: the terminal of the machine itself. */
  readonly local?: boolean;
}

export interface OwnerId {
  readonly channel: string;
  readonly id: string;
}

/** What is to be done with a message, decided on platform ids alone. */
export type Verdict =
  | { readonly as: "owner" | "member" }
  /** Admitted, but the group message is not for the bot. */
  | { readonly as: "bystander" }
  | { readonly as: "claimant" }
  /** `tell`: one polite line is due, at most once an hour. */
  | { readonly as: "stranger"; readonly may: "ask" | "claim" | "nothing"; readonly tell: boolean };

const tellEveryMs = 60 * 60 * 1000;
/** More unknown people than this meet silence, so that a flood of strangers cannot fill the state. */
const maxUnknownPeople = 200;

export interface Access {
  judge(message: InboundMessage): Verdict;
  isOwner(channel: string, id: string): boolean;
  /** Everyone who is the owner, with the private chat where they were last seen. */
  owners(): readonly { readonly channel: string; readonly id: string; readonly chat: string }[];
  /** The code that makes its sender the owner; made on first asking, undefined when there is an owner. */
  ownershipCode(): string | undefined;
}

export function createAccess(options: {
  readonly people: People;
  readonly rules: ReadonlyMap<string, AccessRules>;
  /** As the config names them, or has them follow from its only allowlist. */
  readonly owners: readonly OwnerId[];
  readonly now: () => number;
}): Access {
  const { people, rules, now, owners: configured } = options;

  const isOwner = (channel: string, id: string): boolean =>
    rules.get(channel)?.local === true ||
    configured.some((owner) => owner.channel === channel && owner.id === id) ||
    people.find(channel, id)?.standing === "owner";

  const hasOwner = (): boolean =>
    configured.length > 0 || people.list().some(({ standing }) => standing === "owner");

  return {
    isOwner,
    owners() {
      const known = people.list();
      const claimed = known.filter(({ standing }) => standing === "owner");
      return [...configured, ...claimed].map(({ channel, id }) => {
        const person = known.find((one) => one.channel === channel && one.id === id);
        // Where a platform's private chat has the person's id, the owner can be told before ever having written.
        return { channel, id, chat: person?.chat ?? id };
      });
    },
    ownershipCode() {
      if (hasOwner() || [...rules.values()].every(({ local }) => local)) return undefined;
      const present = people.ownershipCode();
      if (present !== undefined) return present;
      const code = newCode();
      people.setOwnershipCode(code);
      return code;
    },
    judge(message) {
      const { address, sender, isPrivate } = message;
      const rule = rules.get(address.channel);
      if (rule === undefined) return { as: "stranger", may: "nothing", tell: false };
      const person = people.find(address.channel, sender.id);
      if (isOwner(address.channel, sender.id)) {
        return admitsRoom(rule, message) === "nobody" ? silent : forBot(rule, message, "owner");
      }
      if (person?.standing === "blocked") return silent;
      // Before admission: those on an allowlist may be the owner as well.
      if (isPrivate && claims(message)) return { as: "claimant" };
      if (isAdmitted(rule, message, person)) return forBot(rule, message, "member");
      if (!isPrivate) return silent;
      return judgeStranger(rule, person);
    },
  };

  function judgeStranger(rule: AccessRules, person: Person | undefined): Verdict {
    if (!rule.pairing) return silent;
    if (person === undefined && people.countUnknown() >= maxUnknownPeople) return silent;
    const sinceMs = now() - (person?.toldAt ?? 0);
    // Told in the future: the clock was put back since.
    const tell = sinceMs >= tellEveryMs || sinceMs < 0;
    return { as: "stranger", may: hasOwner() ? "ask" : "claim", tell };
  }

  function claims({ text, press }: InboundMessage): boolean {
    const code = people.ownershipCode();
    return code !== undefined && press === undefined && saysCode(text, code) && !hasOwner();
  }
}

const silent: Verdict = { as: "stranger", may: "nothing", tell: false };

function isAdmitted(
  rule: AccessRules,
  message: InboundMessage,
  person: Person | undefined,
): boolean {
  const room = admitsRoom(rule, message);
  if (room === "nobody") return false;
  if (room === "all") return true;
  if (rule.allowedUsers === "everyone" || rule.allowedUsers.includes(message.sender.id))
    return true;
  return person?.standing === "allowed";
}

function admitsRoom(rule: AccessRules, message: InboundMessage): "all" | "admitted" | "nobody" {
  if (message.isPrivate || rule.allowedChats === undefined) return "admitted";
  return rule.allowedChats.find(({ id }) => id === message.address.chat)?.members ?? "nobody";
}

function forBot(rule: AccessRules, message: InboundMessage, as: "owner" | "member"): Verdict {
  if (message.addressedToBot || message.isPrivate || message.press !== undefined) return { as };
  return isTriggered(message.text, rule.groupTrigger) ? { as } : { as: "bystander" };
}

/** The trigger word stands at the start of the text or alone between other words, in any case. */
function isTriggered(text: string, trigger: string | undefined): boolean {
  if (trigger === undefined || trigger === "") return false;
  const escaped = trigger.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(String.raw`(?<![\p{L}\p{N}_@])${escaped}(?![\p{L}\p{N}_])`, "iu").test(text);
}

/** Letters and digits that cannot be taken for one another; twelve of them are 60 bits. */
const codeLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

function newCode(): string {
  const letters = Array.from({ length: 12 }, () => codeLetters[randomInt(codeLetters.length)]);
  return [letters.slice(0, 4), letters.slice(4, 8), letters.slice(8)]
    .map((group) => group.join(""))
    .join("-");
}

/** Bare, or as the argument of the /start that a link sends; dashes and case do not matter. */
function saysCode(text: string, code: string): boolean {
  const plain = (value: string): string => value.replaceAll(/[\s-]/g, "").toUpperCase();
  return plain(text.replace(/^\/start(@\w+)?\s/, "")) === plain(code);
}
