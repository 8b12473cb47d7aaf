/** What happens around people: a stranger is told, the owner is asked, a code makes an owner, a tap decides. */
import type { Address, InboundMessage, OutboundMessage } from "../contracts/message.ts";
import type { Person, Store } from "../contracts/store.ts";
import type { Access, Verdict } from "./access.ts";

export interface PeopleDesk {
  /** For a private message of somebody not admitted; returns what becomes of it. Runs inside the accepting transaction. */
  meetStranger(message: InboundMessage, verdict: Verdict & { readonly as: "stranger" }): void;
  /** The sender of the ownership code becomes the owner. */
  crown(message: InboundMessage): void;
  /** Admits or blocks; the held message is answered or dropped. A sentence on what was done. */
  decide(number: number, standing: "allowed" | "blocked"): string;
  /** What a tapped button of ours means; undefined for any other. */
  decisionOf(
    button: string,
  ): { readonly number: number; readonly standing: "allowed" | "blocked" } | undefined;
}

export function createPeopleDesk(options: {
  readonly store: Store;
  readonly access: Access;
  readonly say: (to: Address, message: OutboundMessage, inReplyTo: number | undefined) => void;
}): PeopleDesk {
  const { store, access, say } = options;
  const { people } = store;

  return {
    meetStranger(message, { may, tell }) {
      if (may === "nothing" || !tell) return;
      const { address, sender } = message;
      const known = people.find(address.channel, sender.id);
      const standing = may === "ask" ? "asked" : "stranger";
      const person = people.put({
        channel: address.channel,
        id: sender.id,
        name: cleanName(sender.name),
        standing,
      });
      people.told(address.channel, sender.id);
      if (may === "claim") {
        say(
          address,
          { text: "I have no owner yet. If I am yours, send me the one-time code from my log." },
          undefined,
        );
        return;
      }
      say(
        address,
        { text: "I only talk to people whom my owner has let in. I have asked." },
        undefined,
      );
      if (known?.standing !== "asked") askOwner(person, message);
    },
    crown(message) {
      const { address, sender } = message;
      people.put({
        channel: address.channel,
        id: sender.id,
        name: cleanName(sender.name),
        standing: "owner",
      });
      people.sawChat(address.channel, sender.id, address.chat);
      people.setOwnershipCode(undefined);
      say(address, { text: "You are my owner now. Send /help to see what I can do." }, undefined);
    },
    decide(number, standing) {
      const person = Number.isInteger(number) ? people.byNumber(number) : undefined;
      if (person === undefined) return `There is nobody with the number ${number}.`;
      if (access.isOwner(person.channel, person.id)) return "That is the owner.";
      const { channel, id, name } = person;
      store.transaction(() => {
        people.put({ channel, id, name, standing });
        store.inbox.release(channel, id, standing === "allowed" ? "waiting" : "ignored");
      });
      return standing === "allowed"
        ? `${name} (${id}) may write to me now.`
        : `${name} (${id}) is blocked.`;
    },
    decisionOf(button) {
      const match = /^people:(allow|block):(\d{1,9})$/.exec(button);
      if (match === null) return undefined;
      return { number: Number(match[2]), standing: match[1] === "allow" ? "allowed" : "blocked" };
    },
  };

  function askOwner(person: Person, message: InboundMessage): void {
    const owners = access.owners();
    const owner = owners.find(({ channel }) => channel === person.channel) ?? owners[0];
    if (owner === undefined) return;
    const words = plain(message.text.slice(0, 500)).replaceAll("\n", "\n> ");
    const files = message.attachments.length > 0 ? ` (${message.attachments.length} files)` : "";
    say(
      { channel: owner.channel, chat: owner.chat },
      {
        text: `${plain(person.name)} (id \`${person.id}\` on ${person.channel}) wants to write to me${files}:\n\n> ${words}\n\nAllow, and this message is answered. By text: \`/allow ${person.number}\` or \`/block ${person.number}\`.`,
        buttons: [
          { id: `people:allow:${person.number}`, label: "Allow" },
          { id: `people:block:${person.number}`, label: "Block" },
        ],
      },
      undefined,
    );
  }
}

function cleanName(name: string): string {
  return (
    name
      .replaceAll(/\p{C}+/gu, " ")
      .trim()
      .slice(0, 80) || "somebody"
  );
}

/** A stranger's words are shown as words, not as markup. */
function plain(words: string): string {
  return words.replaceAll(/[\\`*_[\]<>~|]/g, String.raw`\$&`);
}
