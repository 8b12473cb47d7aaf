import { Command } from "commander";
import type { Person, Store } from "../contracts/store.ts";
import { CliError, exitCodes, guarded, print, table } from "./output.ts";
import { pathsOf } from "./paths.ts";
import { withState } from "./state.ts";

interface Flags {
  readonly json?: boolean;
}

/** `people`: who may write to the bot, beyond the allowlists of the config. */
export function peopleCommand(): Command {
  const people = new Command("people").description("Who may write to the bot").addHelpText(
    "after",
    `
Examples:
  barnacle people code                      the one-time code that makes you the owner
  barnacle people list
  barnacle people approve telegram 123456   as if the owner had tapped Allow
  barnacle people erase telegram 123456     removes everything the person said
`,
  );
  const add = (name: string, description: string): Command =>
    people.command(name).description(description).option("--json", "print JSON");

  add("code", "Show the one-time ownership code").action(async (flags: Flags, command: Command) => {
    await guarded(flags.json === true, () => {
      const code = withState(pathsOf(command), ({ people }) => people.ownershipCode());
      const text =
        code === undefined
          ? "There is an owner already, or the gateway has not run yet: no code is out."
          : `${code}\n`.trim();
      print({ code: code ?? null }, text, flags.json === true);
    });
  });
  add("list", "List everybody who has a standing").action(
    async (flags: Flags, command: Command) => {
      await guarded(flags.json === true, () => {
        const list = withState(pathsOf(command), (store) => store.people.list());
        print(list, listText(list), flags.json === true);
      });
    },
  );
  for (const [name, description, standing] of [
    ["approve", "Let a person write; a held message is answered", "allowed"],
    ["revoke", "Block a person", "blocked"],
  ] as const) {
    add(`${name} <channel> <id>`, description).action(
      async (channel: string, id: string, flags: Flags, command: Command) => {
        await guarded(flags.json === true, () => {
          const person = withState(pathsOf(command), (store) =>
            decide(store, channel, id, standing),
          );
          print(
            person,
            `${person.name} (${id} on ${channel}) is ${person.standing} now.`,
            flags.json === true,
          );
        });
      },
    );
  }
  add("erase <channel> <id>", "Remove a person and everything they said")
    .option("--yes", "without this, nothing is removed")
    .action(
      async (channel: string, id: string, flags: Flags & { yes?: boolean }, command: Command) => {
        await guarded(flags.json === true, () => {
          if (flags.yes !== true) {
            throw new CliError(
              `This removes every message of ${id} on ${channel} and its answers, for ever. Add --yes to do it.`,
              "not-confirmed",
              exitCodes.usage,
            );
          }
          const rows = withState(pathsOf(command), (store) =>
            store.transaction(() => store.people.erase(channel, id)),
          );
          print({ rows }, `Removed ${rows} rows.`, flags.json === true);
        });
      },
    );
  return people;
}

function decide(
  store: Store,
  channel: string,
  id: string,
  standing: "allowed" | "blocked",
): Person {
  return store.transaction(() => {
    const known = store.people.find(channel, id);
    // To be let in is less than the owner has.
    if (known?.standing === "owner" && standing === "allowed") return known;
    const name = known?.name ?? id;
    const person = store.people.put({ channel, id, name, standing });
    store.inbox.release(channel, id, standing === "allowed" ? "waiting" : "ignored");
    return person;
  });
}

function listText(list: readonly Person[]): string {
  if (list.length === 0) return "Nobody yet, beyond the allowlists of the config.";
  return table([
    ["NUMBER", "CHANNEL", "ID", "STANDING", "NAME"],
    ...list.map(({ number, channel, id, standing, name }) => [
      String(number),
      channel,
      id,
      standing,
      name,
    ]),
  ]);
}
