import { expect, test } from "vitest";
import { z } from "zod";
import { ChannelError, ModelError, ToolError } from "../../src/contracts/errors.ts";
import type { Tool } from "../../src/contracts/tool.ts";
import { openStore } from "../../src/store/open.ts";
import { defineTool } from "../../src/lib/define-tool.ts";
import { inbound, inGroup } from "../support/messages.ts";
import { callsTools, lastText, says, scriptedModel } from "../support/scripted-model.ts";
import { openWorld, until } from "../support/world.ts";

const echo = () =>
  scriptedModel(({ turns }) => says(`echo: ${lastText(turns).split("\n").at(-1)}`));

function toolThat(run: (input: { text: string }) => string, over: Partial<Tool> = {}): Tool {
  const tool = defineTool({
    name: "note",
    description: "Notes a text.",
    effect: "writes",
    input: z.object({ text: z.string() }),
    run: async (input) => ({
      content: [{ type: "text", text: run(input) }],
      origin: "own-files",
    }),
  });
  return { ...tool, ...over };
}

test("a message becomes an answer, and the model sees who said it and when", async () => {
  const models = echo();
  const { channel } = openWorld({ models });
  await channel.say(inbound({ text: "hello" }));
  await until("the answer", () => channel.sent.length === 1);
  expect(channel.sent[0]?.message.text).toBe("echo: hello");
  expect(lastText(models.requests[0]?.turns ?? [])).toBe("[2026-11-21 14:00 UTC, Ann]\nhello");
});

test("while the model thinks, the chat sees typing; afterwards no more", async () => {
  const models = scriptedModel(async () => {
    await until("typing", () => channel.typing > 0);
    return says("done");
  });
  const { channel } = openWorld({ models });
  await channel.say(inbound());
  await until("the answer", () => channel.sent.length === 1);
  const shown = channel.typing;
  expect(shown).toBeGreaterThan(0);
  await channel.say(inbound({ text: "/whoami" }));
  await until("the command's answer", () => channel.sent.length === 2);
  expect(channel.typing).toBe(shown);
});

test("a message redelivered ten times is answered once", async () => {
  const { channel } = openWorld({ models: echo() });
  const message = inbound({ text: "again" });
  for (let times = 0; times < 10; times += 1) await channel.say(message);
  await channel.say(inbound({ text: "last" }));
  await until("both answers", () => channel.sent.length >= 2);
  expect(channel.textsTo("1001")).toEqual(["echo: again", "echo: last"]);
});

test("a burst of one chat is answered in order, one turn at a time", async () => {
  let atOnce = 0;
  let most = 0;
  const models = scriptedModel(async ({ turns }) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise((resolve) => setTimeout(resolve, 2));
    atOnce -= 1;
    return says(lastText(turns).split("\n").at(-1) ?? "");
  });
  const { channel } = openWorld({ models });
  const texts = Array.from({ length: 30 }, (_, index) => `m${index}`);
  for (const text of texts) await channel.say(inbound({ text }));
  await until("all answers", () => channel.sent.length === 30);
  expect(channel.textsTo("1001")).toEqual(texts);
  expect(most).toBe(1);
});

test("at most so many turns run at once, and one lane is the owner's", async () => {
  const waiting: (() => void)[] = [];
  const models = scriptedModel(async () => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return says("done");
  });
  const { channel, gateway } = openWorld({
    models,
    parallelTurns: 3,
    rules: { allowedUsers: "everyone" },
    owners: [{ channel: "telegram", id: "1001" }],
  });
  for (const id of ["1", "2", "3", "4"]) {
    await channel.say(
      inbound({ sender: { id, name: id }, address: { channel: "telegram", chat: id } }),
    );
  }
  expect(gateway.running).toBe(2);
  await channel.say(inbound({ text: "the owner" }));
  expect(gateway.running).toBe(3);
  while (channel.sent.length < 5) {
    waiting.shift()?.();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
});

test("/stop ends the turn at once, what waits is answered next, and nothing more is said of the stopped one", async () => {
  const models = scriptedModel(async ({ turns }, signal) => {
    if (lastText(turns).includes("long")) {
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason)),
      );
    }
    return says("short answer");
  });
  const { channel, store } = openWorld({ models });
  await channel.say(inbound({ text: "long" }));
  await until("the model call", () => models.requests.length === 1);
  await channel.say(inbound({ text: "next" }));
  await channel.say(inbound({ text: "/stop" }));
  await until("the next answer", () => channel.sent.length === 2);
  expect(channel.textsTo("1001")).toEqual(["Stopped. Messages still waiting: 1.", "short answer"]);
  expect(store.inbox.counts()).toMatchObject({ waiting: 0, running: 0, answered: 3 });
});

test("/new works while a turn runs, and the model no longer sees what was before", async () => {
  let hang = true;
  const models = scriptedModel(async (_, signal) => {
    if (!hang) return says("fresh");
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    return says("never");
  });
  const { channel } = openWorld({ models });
  await channel.say(inbound({ text: "remember the secret word" }));
  await until("the model call", () => models.requests.length === 1);
  hang = false;
  await channel.say(inbound({ text: "/new" }));
  await channel.say(inbound({ text: "what was it?" }));
  await until("both answers", () => channel.sent.length === 2);
  expect(channel.textsTo("1001")[0]).toContain("fresh conversation");
  expect(JSON.stringify(models.requests.at(-1)?.turns)).not.toContain("secret word");
});

test("a stranger meets silence: no reply, no model call, no download", async () => {
  const models = echo();
  const { channel, store } = openWorld({ models });
  await channel.say(
    inbound({
      sender: { id: "666", name: "Ann" },
      address: { channel: "telegram", chat: "666" },
      attachments: [{ name: "big.bin", mediaType: "x/y", size: 9, ref: "r" }],
    }),
  );
  await channel.say(inbound({ text: "after" }));
  await until("the answer to the admitted", () => channel.sent.length === 1);
  expect(channel.textsTo("666")).toEqual([]);
  expect(models.requests).toHaveLength(1);
  expect(channel.downloads).toBe(0);
  expect(store.inbox.counts().ignored).toBe(1);
});

test("with nobody allowed, the one-time code makes its sender the owner, once", async () => {
  const { channel, store } = openWorld({
    models: echo(),
    rules: { allowedUsers: [], pairing: true },
  });
  const code = store.people.ownershipCode() ?? "";
  const of = (id: string, text: string) =>
    inbound({ text, sender: { id, name: id }, address: { channel: "telegram", chat: id } });
  await channel.say(of("7", "hello?"));
  await channel.say(of("7", "AAAA-BBBB-CCCC"));
  await channel.say(of("8", `/start ${code.toLowerCase()}`));
  await channel.say(of("9", code));
  await channel.say(of("8", "are you mine?"));
  await until("the owner's answer", () => channel.textsTo("8").includes("echo: are you mine?"));
  expect(code).toMatch(/^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/);
  expect(channel.textsTo("7")).toEqual([
    "I have no owner yet. If I am yours, send me the one-time code from my log.",
  ]);
  expect(channel.textsTo("8")[0]).toContain("You are my owner now");
  expect(channel.textsTo("9")).toEqual([
    "I only talk to people whom my owner has let in. I have asked.",
  ]);
  expect(store.people.ownershipCode()).toBeUndefined();
});

test("pairing: the owner is asked with the held message, and a tap of Allow gets it answered", async () => {
  const { channel } = openWorld({ models: echo(), rules: { pairing: true } });
  const stranger = { id: "42", name: "Bob *bold*" };
  const address = { channel: "telegram", chat: "42" };
  await channel.say(inbound({ sender: stranger, address, text: "let me in" }));
  await channel.say(inbound({ sender: stranger, address, text: "please" }));
  await until("the request to the owner", () => channel.textsTo("1001").length === 1);
  const request = channel.sent.find(({ to }) => to.chat === "1001")?.message;
  expect(request?.text).toContain("let me in");
  expect(request?.buttons?.map(({ label }) => label)).toEqual(["Allow", "Block"]);
  const button = request?.buttons?.[0]?.id ?? "";

  // A press by anybody else does nothing.
  await channel.say(
    inbound({ sender: stranger, address, text: "", press: { button, messageId: "1" } }),
  );
  await channel.say(inbound({ text: "", press: { button, messageId: "1" } }));
  await until("the held message's answer", () => channel.textsTo("42").length === 2);
  expect(channel.textsTo("42")).toEqual([
    "I only talk to people whom my owner has let in. I have asked.",
    "echo: let me in",
  ]);
  expect(channel.edits[0]?.text).toContain("may write to me now");
});

test("a blocked person stays blocked, and access goes by id, not by name", async () => {
  const { channel, store } = openWorld({ models: echo(), rules: { pairing: true } });
  store.people.put({ channel: "telegram", id: "42", name: "Ann", standing: "blocked" });
  await channel.say(
    inbound({ sender: { id: "42", name: "Ann" }, address: { channel: "telegram", chat: "42" } }),
  );
  await channel.say(inbound({ text: "me" }));
  await until("the answer", () => channel.sent.length === 1);
  expect(channel.textsTo("42")).toEqual([]);
});

test("in a group only admitted people are answered, and only when they address the bot", async () => {
  const { channel } = openWorld({ models: echo(), rules: { groupTrigger: "@Barnacle" } });
  await channel.say(inGroup({ text: "just talking" }));
  await channel.say(inGroup({ text: "hey @barnacle, you there?" }));
  await channel.say(inGroup({ text: "mail me at x@barnacles.org" }));
  await channel.say(inGroup({ text: "a mention", addressedToBot: true }));
  await channel.say(
    inGroup({ text: "@Barnacle hi", sender: { id: "3", name: "Cy" }, addressedToBot: true }),
  );
  await channel.say(inbound({ text: "private" }));
  await until("the private answer", () => channel.textsTo("1001").length === 1);
  expect(channel.textsTo("-500")).toEqual(["echo: hey @barnacle, you there?", "echo: a mention"]);
});

test("rooms can be narrowed: room and sender must both pass, unless the room admits its members", async () => {
  const { channel } = openWorld({
    models: echo(),
    rules: {
      allowedChats: [
        { id: "-1", members: "admitted" },
        { id: "-2", members: "all" },
      ],
    },
    owners: [{ channel: "telegram", id: "5" }],
  });
  const say = async (chat: string, id: string): Promise<void> =>
    await channel.say(
      inGroup({
        address: { channel: "telegram", chat },
        sender: { id, name: id },
        text: id,
        addressedToBot: true,
      }),
    );
  await say("-1", "1001");
  await say("-1", "77");
  await say("-2", "77");
  await say("-3", "1001");
  await channel.say(inbound({ text: "end" }));
  await until("the private answer", () => channel.textsTo("1001").length === 1);
  expect(["-1", "-2", "-3"].map((chat) => channel.textsTo(chat).length)).toEqual([1, 1, 0]);
});

test("tools run with the conversation's space, and their results go back to the model", async () => {
  const spaces: string[] = [];
  const tool = toolThat(() => "noted");
  const watching: Tool = {
    ...tool,
    async call(input, context) {
      spaces.push(context.space);
      return await tool.call(input, context);
    },
  };
  const models = scriptedModel(({ turns }) =>
    turns.at(-1)?.role === "tool"
      ? says(lastText(turns))
      : callsTools({ id: "1", name: "note", input: { text: "x" } }),
  );
  const { channel } = openWorld({
    models,
    tools: [watching],
    rules: { allowedUsers: ["1001", "2"] },
    owners: [{ channel: "telegram", id: "1001" }],
  });
  await channel.say(inbound());
  await channel.say(
    inbound({ sender: { id: "2", name: "B" }, address: { channel: "telegram", chat: "2" } }),
  );
  await channel.say(inGroup({ addressedToBot: true }));
  await until("three answers", () => channel.sent.length === 3);
  expect(spaces.toSorted()).toEqual(["main", "telegram--500", "telegram-2"]);
  expect(channel.textsTo("1001")).toEqual(["noted"]);
});

test("broken input, an unknown tool, a failing tool and a refused effect are told to the model", async () => {
  const results: string[] = [];
  const models = scriptedModel(({ turns }) => {
    const answers = turns.filter(({ role }) => role === "tool");
    if (answers.length === 0) {
      return callsTools(
        { id: "1", name: "note", input: { text: 5 } },
        { id: "2", name: "note", input: undefined, malformed: '{"text": "cut' },
        { id: "3", name: "nothing", input: {} },
        { id: "4", name: "note", input: { text: "fail" } },
        { id: "5", name: "send", input: { text: "x" } },
      );
    }
    for (const turn of answers) results.push(lastText([turn]));
    return says("done");
  });
  const failing = toolThat(() => {
    throw new ToolError("That does not work; try less.");
  });
  const sends = toolThat(() => "sent", { name: "send", effect: "sends" });
  const { channel } = openWorld({ models, tools: [failing, sends] });
  await channel.say(inbound());
  await until("the answer", () => channel.sent.length === 1);
  expect(results[0]).toContain("input of note does not fit");
  expect(results[1]).toContain("not whole JSON");
  expect(results[2]).toContain('no tool "nothing"');
  expect(results[3]).toBe("That does not work; try less.");
  expect(results[4]).toContain("policy refuses");
});

test("calls that only look run side by side, calls that act one by one", async () => {
  const log: string[] = [];
  const tool = (name: string, effect: Tool["effect"]): Tool => ({
    name,
    description: name,
    effect,
    inputSchema: { type: "object" },
    async call() {
      log.push(`+${name}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(`-${name}`);
      return { content: [{ type: "text", text: name }], origin: "own-files" };
    },
  });
  const models = scriptedModel(({ turns }) =>
    turns.at(-1)?.role === "tool"
      ? says("done")
      : callsTools(
          { id: "1", name: "look", input: {} },
          { id: "2", name: "peek", input: {} },
          { id: "3", name: "act", input: {} },
          { id: "4", name: "do", input: {} },
        ),
  );
  const { channel } = openWorld({
    models,
    tools: [
      tool("look", "reads"),
      tool("peek", "reads"),
      tool("act", "writes"),
      tool("do", "runs"),
    ],
  });
  await channel.say(inbound());
  await until("the answer", () => channel.sent.length === 1);
  expect(log).toEqual(["+look", "+peek", "-look", "-peek", "+act", "-act", "+do", "-do"]);
});

test("reaching a limit ends in a sentence, and every call in the history has a result", async () => {
  let calls = 0;
  const models = scriptedModel(() => {
    calls += 1;
    return callsTools({ id: `c${calls}`, name: "note", input: { text: "more" } });
  });
  const { channel, store } = openWorld({
    models,
    tools: [toolThat(() => "ok")],
    limits: { steps: 4 },
  });
  await channel.say(inbound());
  await until("the sentence", () => channel.sent.length === 1);
  expect(channel.sent[0]?.message.text).toContain("I stopped after 4 steps");
  expect(calls).toBe(4);
  const rows = store.history.all({ channel: "telegram", chat: "1001" });
  expect(rows.filter(({ turn }) => turn.role === "tool")).toHaveLength(4);
});

test("a turn that takes too long ends in a sentence, the running call is answered as unknown", async () => {
  const slow: Tool = {
    name: "slow",
    description: "Slow.",
    effect: "runs",
    inputSchema: { type: "object" },
    async call(_, { signal }) {
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason)),
      );
      throw new Error("never");
    },
  };
  const models = scriptedModel(() => callsTools({ id: "1", name: "slow", input: {} }));
  const { channel, store } = openWorld({ models, tools: [slow], limits: { milliseconds: 50 } });
  await channel.say(inbound());
  await until("the sentence", () => channel.sent.length === 1);
  expect(channel.sent[0]?.message.text).toContain("the limit for one message");
  const rows = store.history.all({ channel: "telegram", chat: "1001" });
  expect(JSON.stringify(rows)).toContain("whether it took effect is unknown");
});

test("a failure that waiting helps with is tried again; after three it is a dead letter, told, and retried on demand", async () => {
  let fail = true;
  const models = scriptedModel(() => {
    if (!fail) return says("at last");
    throw new ModelError("The model is overloaded.", { kind: "unavailable", retryAfterMs: 1 });
  });
  const { channel, store } = openWorld({ models });
  await channel.say(inbound());
  await until("the explanation", () => channel.sent.length === 1);
  expect(models.requests).toHaveLength(3);
  expect(channel.sent[0]?.message.text).toContain("The model is overloaded.");
  const [dead] = store.inbox.failed(10);
  expect(store.inbox.counts().failed).toBe(1);
  fail = false;
  expect(store.inbox.retry(dead?.seq ?? 0)).toBe(true);
  await channel.say(inbound({ text: "wake" }));
  await until("both answers", () => channel.sent.length === 3);
  expect(channel.textsTo("1001").slice(1)).toEqual(["at last", "at last"]);
  // The retried message is the last word that the model sees, not the note of its former failure.
  expect(models.requests[3]?.turns.at(-1)?.role).toBe("user");
});

test("a failure that needs a person is explained at once", async () => {
  const models = scriptedModel(() => {
    throw new ModelError("The key was refused.", { kind: "unauthorized" });
  });
  const { channel } = openWorld({ models });
  await channel.say(inbound());
  await until("the explanation", () => channel.sent.length === 1);
  expect(models.requests).toHaveLength(1);
  expect(channel.sent[0]?.message.text).toContain("The key was refused.");
});

test("a history that the provider refuses does not silence the bot", async () => {
  const models = scriptedModel(({ turns }) => {
    if (turns.length > 1) throw new ModelError("messages.0: bad", { kind: "rejected" });
    return says("fine");
  });
  const { channel } = openWorld({ models });
  await channel.say(inbound());
  await until("the first answer", () => channel.sent.length === 1);
  await channel.say(inbound());
  await until("the second answer", () => channel.sent.length === 2);
  expect(channel.sent[1]?.message.text).toContain("from your last message alone");
});

test("a window smaller than we were told does not silence the bot", async () => {
  const models = scriptedModel(({ turns }) => {
    if (turns.length > 1) throw new ModelError("Too long.", { kind: "too-long" });
    return says("fine");
  });
  const { channel } = openWorld({ models });
  for (let count = 1; count <= 3; count += 1) {
    await channel.say(inbound());
    await until("the answer", () => channel.sent.length === count);
  }
  expect(channel.sent[2]?.message.text).toMatch(/^fine.*from your last message alone/s);
});

test("a long conversation is compressed before the window is full, and never between a call and its result", async () => {
  const models = scriptedModel(
    ({ turns, tools, system }) => {
      if (system.startsWith("You compress")) return says("SUMMARY");
      expect(tools).toHaveLength(1);
      const asked = turns.flatMap((turn) =>
        turn.role === "assistant" ? turn.calls.map(({ id }) => id) : [],
      );
      const answered = turns.flatMap((turn) => (turn.role === "tool" ? [turn.callId] : []));
      expect(answered).toEqual(asked);
      return turns.at(-1)?.role === "tool"
        ? says("ok")
        : callsTools({ id: `c${turns.length}`, name: "note", input: { text: "x" } });
    },
    { contextWindow: 3000, maxOutputTokens: 500 },
  );
  const { channel, store } = openWorld({ models, tools: [toolThat(() => "word ".repeat(200))] });
  for (let count = 1; count <= 12; count += 1) {
    await channel.say(inbound({ text: `question ${count}` }));
    await until(`answer ${count}`, () => channel.sent.length === count);
  }
  const at = { channel: "telegram", chat: "1001" };
  expect(store.history.view(at).summary?.text).toBe("SUMMARY");
  expect(store.history.all(at)).toHaveLength(12 * 4);
  expect(channel.textsTo("1001").every((text) => text === "ok")).toBe(true);
});

test("system prompt and tools have the same bytes in every request of a conversation", async () => {
  const models = scriptedModel(({ turns }) =>
    turns.at(-1)?.role === "tool"
      ? says("ok")
      : callsTools({ id: "1", name: "note", input: { text: "x" } }),
  );
  const { channel } = openWorld({ models, tools: [toolThat(() => "ok")], persona: "Be kind." });
  for (let count = 1; count <= 3; count += 1) {
    await channel.say(inbound());
    await until("the answer", () => channel.sent.length === count);
  }
  const fixed = models.requests.map(({ system, tools }) => JSON.stringify({ system, tools }));
  expect(fixed).toHaveLength(6);
  expect(new Set(fixed).size).toBe(1);
  expect(fixed[0]).toContain("Be kind.");
  const [first, second] = [models.requests[0], models.requests[5]];
  expect(JSON.stringify(second?.turns).startsWith(JSON.stringify(first?.turns).slice(0, -1))).toBe(
    true,
  );
});

test("the budget stops the call before it is made, warns at 80 %, and explains", async () => {
  const models = scriptedModel(() => ({
    ...says("costly"),
    usage: { inputTokens: 400, cachedInputTokens: 0, outputTokens: 450 },
  }));
  const { channel } = openWorld({
    models,
    budget: { perDay: { tokens: 1000 }, perChatPerDay: {} },
  });
  await channel.say(inbound());
  await until("the first answer", () => channel.sent.length === 1);
  expect(channel.sent[0]?.message.text).toContain("85 % of today's budget");
  await channel.say(inbound());
  await until("the explanation", () => channel.sent.length === 2);
  expect(channel.sent[1]?.message.text).toContain("budget for all chats together is used up");
  expect(models.requests).toHaveLength(1);
});

test("the budget reckons with the dearest model that may answer", async () => {
  const models = scriptedModel(() => says("cheap"), { fallbackIds: ["dear"] });
  const price = (usd: number) => ({ inputUsd: usd, cachedInputUsd: usd, outputUsd: usd });
  const { channel } = openWorld({
    models,
    prices: new Map([
      ["scripted", price(1)],
      ["dear", price(10_000)],
    ]),
    budget: { perDay: { usd: 0.5 }, perChatPerDay: {} },
  });
  await channel.say(inbound());
  await until("the explanation", () => channel.sent.length === 1);
  expect(channel.sent[0]?.message.text).toContain("is used up");
  expect(models.requests).toEqual([]);
});

test("a reply whose fate is unknown is sent once more, and says so; a refused one is not", async () => {
  const { channel } = openWorld({ models: echo() });
  let failures = 0;
  channel.beforeSend = () => {
    failures += 1;
    if (failures === 1) {
      throw new ChannelError("The connection broke.", {
        kind: "timed-out",
        fate: "unknown",
        retryAfterMs: 1,
      });
    }
    if (failures === 3) {
      throw new ChannelError("Bad request.", { kind: "rejected", fate: "not-sent" });
    }
  };
  await channel.say(inbound({ text: "one" }));
  await until("the repeated reply", () => channel.sent.length === 1);
  expect(channel.sent[0]?.message.text).toMatch(/may be a repeat.*\n\necho: one$/s);
  await channel.say(inbound({ text: "two" }));
  await channel.say(inbound({ text: "three" }));
  await until("the third reply", () => channel.sent.length === 2);
  expect(channel.sent[1]?.message.text).toBe("echo: three");
});

test("a turn cut short by a crash resumes: what was begun is not repeated, what was not begun runs", async () => {
  const ran: string[] = [];
  const tool = toolThat(({ text }) => {
    ran.push(text);
    return `did ${text}`;
  });
  const models = scriptedModel(({ turns }) =>
    says(turns.flatMap((turn) => (turn.role === "tool" ? [lastText([turn])] : [])).join(" | ")),
  );
  const before = openWorld({ models, tools: [tool] });
  await before.gateway.stop();
  // As a killed process leaves it: claimed, two calls asked for, the first one begun.
  const { store } = before;
  const message = inbound({ text: "do both" });
  const seq = store.inbox.accept(message, "waiting")?.seq ?? 0;
  store.inbox.claim(seq);
  const calls = [
    { id: "a", name: "note", input: { text: "first" } },
    { id: "b", name: "note", input: { text: "second" } },
  ];
  const at = message.address;
  store.history.append(at, seq, { role: "user", content: [{ type: "text", text: "do both" }] }, 3);
  const row = store.history.append(at, seq, { role: "assistant", text: "", calls }, 3);
  store.calls.begin(row.seq, calls[0] ?? { id: "", name: "", input: {} }, at, "writes");

  const after = openWorld({ models, tools: [tool], folder: before.folder });
  await until("the answer", () => after.channel.sent.length === 1);
  expect(ran).toEqual(["second"]);
  expect(after.channel.sent[0]?.message.text).toMatch(/Interrupted.*unknown.* \| did second/s);
});

test("documents go into the space, pictures to the model", async () => {
  const models = echo();
  const { channel, uploads } = openWorld({ models });
  await channel.say(
    inbound({
      text: "look",
      attachments: [
        { name: "report.pdf", mediaType: "application/pdf", size: 10, ref: "f1" },
        { name: "photo.jpg", mediaType: "image/jpeg", size: 10, ref: "f2" },
        { name: "huge.zip", mediaType: "application/zip", size: 10 ** 9, ref: "f3" },
      ],
    }),
  );
  await until("the answer", () => channel.sent.length === 1);
  expect(uploads).toEqual([{ space: "main", name: "report.pdf" }]);
  const turn = models.requests[0]?.turns[0];
  const content = turn?.role === "user" ? turn.content : [];
  expect(content.map(({ type }) => type)).toEqual(["text", "image"]);
  expect(lastText(models.requests[0]?.turns ?? [])).toMatch(
    /\[File: inbox\/report.pdf.*\[Picture: photo.jpg\].*huge.zip could not be taken in/s,
  );
});

test("stopping gives a running turn back, and the next start answers it", async () => {
  let hang = true;
  const models = scriptedModel(async (_, signal) => {
    if (!hang) return says("after the restart");
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    return says("never");
  });
  const before = openWorld({ models });
  await before.channel.say(inbound());
  await until("the model call", () => models.requests.length === 1);
  await before.close();
  expect(before.channel.sent).toEqual([]);
  hang = false;
  const after = openWorld({ models, folder: before.folder });
  await until("the answer", () => after.channel.sent.length === 1);
  expect(after.channel.sent[0]?.message.text).toBe("after the restart");
});

test("a message during which the process dies again and again is a dead letter, and the next one is answered", async () => {
  const models = echo();
  const before = openWorld({ models });
  await before.close();
  const folder = before.folder;
  const message = inbound({ text: "poison" });
  const store = openStore({ folder });
  const seq = store.inbox.accept(message, "waiting")?.seq ?? 0;
  for (let deaths = 0; deaths < 5; deaths += 1) {
    store.inbox.claim(seq);
    store.inbox.recover();
  }
  store.close();
  const after = openWorld({ models, folder });
  await after.channel.say(inbound({ text: "next" }));
  await until("both replies", () => after.channel.sent.length === 2);
  expect(after.channel.sent[0]?.message.text).toContain("was ended 5 times");
  expect(after.channel.sent[1]?.message.text).toBe("echo: next");
});

test("a long answer comes in parts, in order and whole; a very long one as a file", async () => {
  const lines = (count: number): string =>
    Array.from({ length: count }, (_, index) => `line ${index}`).join("\n");
  const models = scriptedModel(({ turns }) =>
    says(lines(Number(lastText(turns).split(" ").at(-1)))),
  );
  const { channel } = openWorld({ models });
  await channel.say(inbound({ text: "lines 1000" }));
  await until("all parts", () => channel.textsTo("1001").join("").includes("line 999"));
  expect(channel.sent.length).toBeGreaterThan(1);
  expect(
    channel
      .textsTo("1001")
      .join("\n")
      .split(/\s*\n\s*/),
  ).toEqual(lines(1000).split("\n"));
  channel.sent.length = 0;
  await channel.say(inbound({ text: "lines 9999" }));
  await until("the file", () => channel.sent.length === 2);
  const data = channel.sent[1]?.message.files?.[0]?.data;
  expect(new TextDecoder().decode(data)).toBe(lines(9999));
});

test("a command in whose turn the process dies again and again is a dead letter too", async () => {
  const models = echo();
  const before = openWorld({ models });
  await before.close();
  const { folder } = before;
  const store = openStore({ folder });
  const seq = store.inbox.accept(inbound({ text: "/compact" }), "waiting")?.seq ?? 0;
  for (let deaths = 0; deaths < 5; deaths += 1) {
    store.inbox.claim(seq);
    store.inbox.recover();
  }
  store.close();
  const after = openWorld({ models, folder });
  await until("the explanation", () => after.channel.sent.length === 1);
  expect(after.channel.sent[0]?.message.text).toContain("was ended 5 times");
});
