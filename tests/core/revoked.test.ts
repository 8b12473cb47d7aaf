import { expect, test } from "vitest";
import { openStore } from "../../src/store/open.ts";
import { inbound } from "../support/messages.ts";
import { lastText, says, scriptedModel } from "../support/scripted-model.ts";
import { openWorld, until } from "../support/world.ts";

const echo = () =>
  scriptedModel(({ turns }) => says(`echo: ${lastText(turns).split("\n").at(-1)}`));

const of = (id: string, text: string) =>
  inbound({ text, sender: { id, name: id }, address: { channel: "telegram", chat: id } });

test("what a person wrote before being revoked is not answered afterwards: neither what runs nor what waits", async () => {
  const models = scriptedModel(async ({ turns }, signal) => {
    if (!lastText(turns).includes("long")) return says("an answer");
    return await new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason)),
    );
  });
  const { channel, store, folder } = openWorld({
    models,
    owners: [{ channel: "telegram", id: "1001" }],
  });
  store.people.put({ channel: "telegram", id: "7", name: "Eve", standing: "allowed" });
  await channel.say(of("7", "long"));
  await until("the model call", () => models.requests.length === 1);
  await channel.say(of("7", "and another thing"));
  // As the command line does it, in a process of its own.
  const operator = openStore({ folder });
  operator.people.put({ channel: "telegram", id: "7", name: "Eve", standing: "blocked" });
  operator.close();
  await until("both left unanswered", () => store.inbox.counts().ignored === 2);
  await channel.say(inbound({ text: "still there?" }));
  await until("the owner's answer", () => channel.textsTo("1001").length === 1);
  expect(channel.textsTo("7")).toEqual([]);
  expect(models.requests).toHaveLength(2);
});

test("of an erased person's running turn nothing is said and nothing is kept", async () => {
  let finish = (): void => {};
  const models = scriptedModel(async () => {
    await new Promise<void>((resolve) => (finish = resolve));
    return says("about you");
  });
  const { channel, store, gateway } = openWorld({
    models,
    rules: { allowedUsers: "everyone" },
    owners: [{ channel: "telegram", id: "1001" }],
  });
  const message = of("7", "who am I?");
  await channel.say(message);
  await until("the model call", () => models.requests.length === 1);
  store.people.erase("telegram", "7");
  finish();
  await until("the end of the turn", () => gateway.running === 0);
  expect(store.history.all(message.address)).toEqual([]);
  expect(channel.sent).toEqual([]);
  expect(store.outbox.pending()).toBe(0);
});

test("somebody on an allowlist of several can become the owner by the code, which no model sees", async () => {
  const models = echo();
  const { channel, store } = openWorld({ models, rules: { allowedUsers: ["1", "2"] } });
  const code = store.people.ownershipCode() ?? "";
  await channel.say(of("1", code));
  await until("the crowning", () => channel.sent.length === 1);
  expect(channel.textsTo("1")[0]).toContain("You are my owner now");
  expect(models.requests).toEqual([]);
});

test("with an allowlist of several and no owner yet, a stranger still meets silence", async () => {
  const { channel, store } = openWorld({ models: echo(), rules: { allowedUsers: ["1", "2"] } });
  await channel.say(of("666", "hello?"));
  await channel.say(of("1", "hello"));
  await until("the answer to the admitted", () => channel.sent.length === 1);
  expect(channel.textsTo("666")).toEqual([]);
  expect(store.people.list()).toEqual([]);
});

test("a stranger's correction of the held message is what the owner's Allow gets answered", async () => {
  const { channel } = openWorld({ models: echo(), rules: { pairing: true } });
  const message = of("42", "let me on");
  await channel.say(message);
  await channel.say({ ...message, version: 5000, text: "let me in" });
  await until("the request to the owner", () => channel.textsTo("1001").length === 1);
  const request = channel.sent.find(({ to }) => to.chat === "1001")?.message;
  const button = request?.buttons?.[0]?.id ?? "";
  await channel.say(inbound({ text: "", press: { button, messageId: "1" } }));
  await until("the held message's answer", () => channel.textsTo("42").length === 2);
  expect(channel.textsTo("42")[1]).toBe("echo: let me in");
});
