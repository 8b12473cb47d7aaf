import { Command } from "commander";
import { loadConfig } from "../config/load.ts";
import { ConfigError } from "../contracts/errors.ts";
import type { Person, Store } from "../contracts/store.ts";
import { addExamples } from "./examples.ts";
import { kinds } from "./kinds.ts";
import { CliError, exitCodes, guarded, print, table } from "./output.ts";
import { type Paths, pathsOf } from "./paths.ts";
import { withState } from "./state.ts";

interface Flags {
  readonly json?: boolean;
}

/** `people`: who may write to the bot, beyond the allowlists of the config. */
export function peopleCommand(): Command {
  const people = new Command("people").description("Who may write to the bot");
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
        print(list.map(forJson), listText(list), flags.json === true);
      });
    },
  );
  for (const [name, description, standing] of [
    ["approve", "Let a person write; a held message is answered", "allowed"],
    ["revoke", "Block a person", "blocked"],
  ] as const) {
    const sub = add(`${name} <channel> <id>`, description);
    if (standing === "blocked") sub.option("--yes", "also if it is an owner");
    sub.action(
      async (channel: string, id: string, flags: Flags & { yes?: boolean }, command: Command) => {
        await guarded(flags.json === true, () => {
          const paths = pathsOf(command);
          checkId(paths, channel, id);
          const person = withState(paths, (store) =>
            decide(store, channel, id, standing, flags.yes === true),
          );
          const text = `${person.name} (${id} on ${channel}) is ${person.standing} now.`;
          print(forJson(person), text, flags.json === true);
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
          const text =
            rows === 0
              ? `Nothing was kept about ${id} on ${channel}.`
              : `Removed all that was kept about ${id} on ${channel}: ${rows} records.`;
          print({ rows }, text, flags.json === true);
        });
      },
    );
  return addExamples(people, examples);
}

const examples = [
  "barnacle people code                         the one-time code for the owner",
  "barnacle people list",
  "barnacle people approve telegram 123456      as if the owner had tapped Allow",
  "barnacle people revoke telegram 123456",
  "barnacle people erase telegram 123456 --yes  removes all that they said",
];

function decide(
  store: Store,
  channel: string,
  id: string,
  standing: "allowed" | "blocked",
  ownersToo: boolean,
): Person {
  return store.transaction(() => {
    const known = store.people.find(channel, id);
    if (known?.standing === "owner") {
      // An owner is allowed already; as merely allowed he would be less.
      if (standing === "allowed") return known;
      if (!ownersToo) {
        throw new CliError(
          `${known.name} (${id} on ${channel}) is an owner of this bot. Add --yes to block an owner; "barnacle people code" then has a code for the next.`,
          "not-confirmed",
          exitCodes.usage,
        );
      }
    }
    const name = known?.name ?? id;
    const person = store.people.put({ channel, id, name, standing });
    store.inbox.release(channel, id, standing === "allowed" ? "waiting" : "ignored");
    return person;
  });
}

/** A slip of the hand would admit nobody, silently. Without a configuration to ask, anything goes. */
function checkId({ config: file }: Paths, channel: string, id: string): void {
  const configured = configuredChannels(file);
  if (configured === undefined) return;
  const kindName = configured.find(({ name }) => name === channel)?.kind;
  if (kindName === undefined) {
    const names = configured.map(({ name }) => `"${name}"`).join(", ");
    throw new CliError(
      `There is no channel "${channel}" in ${file}. It has ${names || "none"}.`,
      "not-found",
      exitCodes.usage,
    );
  }
  const { userId } = kinds.channelKinds.find(({ name }) => name === kindName) ?? {};
  if (userId !== undefined && !userId.pattern.test(id)) {
    throw new CliError(
      `"${id}" is not an id of ${channel}; one looks like ${userId.example}. "barnacle people list" shows who has written.`,
      "usage",
      exitCodes.usage,
    );
  }
}

function configuredChannels(
  file: string,
): readonly { readonly name: string; readonly kind: string }[] | undefined {
  try {
    return loadConfig(file, { kinds, env: process.env, require: [] }).config.channels;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

function forJson({ number, channel, id, name, standing, since }: Person): unknown {
  return { number, channel, id, name, standing, since: new Date(since).toISOString() };
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
