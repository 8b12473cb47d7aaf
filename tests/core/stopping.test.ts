import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { ChannelError, ModelError } from "../../src/contracts/errors.ts";
import { LoopbackChannel } from "../support/loopback-channel.ts";
import { inbound } from "../support/messages.ts";
import { lastText, says, scriptedModel } from "../support/scripted-model.ts";
import { openWorld, until } from "../support/world.ts";

const echo = () =>
  scriptedModel(({ turns }) => says(`echo: ${lastText(turns).split("\n").at(-1)}`));

/** Another process keeps the state to itself, as a long run of the command line would. */
function holdState(folder: string): () => void {
  const db = new Database(join(folder, "barnacle.db"));
  db.exec("BEGIN IMMEDIATE");
  return () => {
    db.exec("ROLLBACK");
    db.close();
  };
}

class FailingOnce extends LoopbackChannel {
  #failed = false;
  override beforeSend = (): void => {
    if (this.#failed) return;
    this.#failed = true;
    const problem = { kind: "unavailable", fate: "not-sent", retryAfterMs: 1 } as const;
    throw new ChannelError("The network is not up yet.", problem);
  };
}

/** Its renderer has a bug. */
class Unrenderable extends LoopbackChannel {
  override render(markdown: string): string {
    if (markdown.includes("fresh conversation")) throw new TypeError("cannot read of undefined");
    return markdown;
  }
}

async function hang(signal: AbortSignal): Promise<never> {
  return await new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason)),
  );
}

test("/stop drops a message that waits to be tried again, and the chat goes on", async () => {
  const models = scriptedModel(({ turns }) => {
    if (!lastText(turns).includes("busy")) return says("here I am");
    throw new ModelError("Rate-limited.", { kind: "rate-limited", retryAfterMs: 50 * 60_000 });
  });
  const { channel, store } = openWorld({ models });
  await channel.say(inbound({ text: "busy" }));
  await until("the line that it is tried again", () => channel.sent.length === 1);
  await channel.say(inbound({ text: "next" }));
  await channel.say(inbound({ text: "/stop" }));
  await until("the next answer", () => channel.sent.length === 3);
  expect(channel.textsTo("1001").slice(1)).toEqual([
    "Stopped. Messages still waiting: 1.",
    "here I am",
  ]);
  expect(store.inbox.counts()).toMatchObject({ waiting: 0, answered: 3 });
});

test("/new does not wait behind a message that is to be tried again in an hour", async () => {
  const models = scriptedModel(() => {
    throw new ModelError("Rate-limited.", { kind: "rate-limited", retryAfterMs: 50 * 60_000 });
  });
  const { channel } = openWorld({ models });
  await channel.say(inbound());
  await until("the line that it is tried again", () => channel.sent.length === 1);
  await channel.say(inbound({ text: "/new" }));
  await until("the fresh conversation", () => channel.sent.length === 2);
  expect(channel.textsTo("1001")[1]).toContain("fresh conversation");
});

test("/stop of a /compact is one word, not a failure", async () => {
  const models = scriptedModel(async ({ system }, signal) =>
    system.startsWith("You compress") ? await hang(signal) : says("ok"),
  );
  const { channel } = openWorld({ models });
  for (const text of ["one", "two"]) await channel.say(inbound({ text }));
  await until("two answers", () => channel.sent.length === 2);
  await channel.say(inbound({ text: "/compact" }));
  await until("the compaction", () => models.requests.length === 3);
  await channel.say(inbound({ text: "/stop" }));
  await channel.say(inbound({ text: "three" }));
  await until("the next answer", () => channel.textsTo("1001").at(-1) === "ok");
  await until("all of it", () => channel.sent.length >= 4);
  expect(channel.textsTo("1001").slice(2)).toEqual(["Stopped.", "ok"]);
});

test("a turn that is stopped while the state cannot be written is done when it can be, and the chat goes on", async () => {
  const models = scriptedModel(async ({ turns }, signal) =>
    lastText(turns).includes("long") ? await hang(signal) : says("short answer"),
  );
  const { channel, gateway, store, folder } = openWorld({ models });
  const message = inbound({ text: "long" });
  await channel.say(message);
  await until("the model call", () => models.requests.length === 1);
  const release = holdState(folder);
  gateway.stopTurn(message.address);
  await delay(50); // the event loop stands still meanwhile: SQLite waits for the other process, in vain
  release();
  await until("the end of the turn", () => store.inbox.find(message)?.state === "answered");
  await channel.say(inbound({ text: "next" }));
  await until("the next answer", () => channel.textsTo("1001").includes("short answer"));
  expect(store.inbox.counts()).toMatchObject({ waiting: 0, running: 0, answered: 2 });
}, 30_000);

test("a reply whose receipt could not be stored at first is not sent again", async () => {
  const { channel, store, folder } = openWorld({ models: echo() });
  let release = (): void => {};
  channel.beforeSend = () => {
    release = holdState(folder);
  };
  await channel.say(inbound({ text: "once" }));
  await until("the send", () => channel.sent.length === 1);
  channel.beforeSend = () => {};
  release();
  await until("the receipt", () => store.outbox.pending() === 0);
  expect(channel.textsTo("1001")).toEqual(["echo: once"]);
}, 30_000);

test("a reply that waited for days is not given up at the first trouble", async () => {
  const before = openWorld({ models: echo() });
  const at = inbound().address;
  await before.gateway.stop();
  before.store.outbox.add(at, { text: "an old answer" }, undefined);
  await before.close();
  const db = new Database(join(before.folder, "barnacle.db"));
  db.exec(`UPDATE outbox SET created_at = created_at - ${3 * 24 * 60 * 60_000}`);
  db.close();
  const channel = new FailingOnce();
  openWorld({ models: echo(), folder: before.folder, channel });
  await until("the old answer", () => channel.sent.length === 1);
  expect(channel.textsTo("1001")).toEqual(["an old answer"]);
});

test("a file that the platform refuses is explained", async () => {
  const { channel } = openWorld({ models: echo() });
  await channel.say(inbound());
  await until("the answer", () => channel.sent.length === 1);
  channel.beforeSend = ({ files }) => {
    if (files === undefined) return;
    throw new ChannelError("It is too big.", { kind: "too-long", fate: "not-sent" });
  };
  await channel.say(inbound({ text: "/export" }));
  await until("the explanation", () => channel.sent.length === 2);
  expect(channel.textsTo("1001")[1]).toMatch(/could not send you the file .* too big/s);
});

test("a wait that a clock put back has made endless is no wait", async () => {
  const { channel, store, gateway, close, folder } = openWorld({ models: echo() });
  await gateway.stop();
  const seq = store.inbox.accept(inbound({ text: "from the future" }), "waiting")?.seq ?? 0;
  store.inbox.claim(seq);
  store.inbox.postpone(seq, Date.now() + 30 * 24 * 60 * 60_000, "once");
  await close();
  expect(channel.sent).toEqual([]);
  const after = openWorld({ models: echo(), folder });
  await until("the answer", () => after.channel.sent.length === 1);
});

test("a mistake of our own ends in a sentence, and the chat goes on", async () => {
  const channel = new Unrenderable();
  openWorld({ models: echo(), channel });
  await channel.say(inbound({ text: "/new" }));
  await channel.say(inbound({ text: "fine" }));
  await until("both", () => channel.sent.length === 2);
  expect(channel.textsTo("1001")[0]).toContain("something went wrong inside of me");
  expect(channel.textsTo("1001")[1]).toBe("echo: fine");
});
