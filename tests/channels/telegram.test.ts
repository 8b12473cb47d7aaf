import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { telegram } from "../../src/channels/telegram.ts";
import { ChannelError } from "../../src/contracts/errors.ts";
import type { OutboundMessage } from "../../src/contracts/message.ts";
import type { TelegramStandin, Trouble } from "../support/telegram-standin.ts";
import { startTelegramStandin, userMessage } from "../support/telegram-standin.ts";
import type { Running } from "./telegram-channel.ts";
import { openTelegram } from "./telegram-channel.ts";

const chat = { channel: "telegram", chat: "42" };
const live = new AbortController().signal;
const until = { timeout: 15_000, interval: 10 };

let server: TelegramStandin;
let bot: Running;

beforeEach(async () => {
  server = await startTelegramStandin();
  bot = await openTelegram(server.apiRoot, server.token);
});

afterEach(async () => {
  await bot.channel.stop();
  await server.close();
});

const send = (message: OutboundMessage, to = chat) => bot.channel.send(to, message, "key", live);

async function failureOf(work: Promise<unknown>): Promise<ChannelError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ChannelError);
  return error as ChannelError;
}

describe("receiving", () => {
  test("the first poll follows the sign-in, with nothing between", async () => {
    await bot.start();
    await vi.waitFor(() => expect(server.calls.length).toBeGreaterThan(1), until);
    expect(server.calls.slice(0, 2).map((call) => call.method)).toEqual(["getMe", "getUpdates"]);
    expect(bot.channel.account).toBe("@Barnacle_Bot");
    expect(bot.states).toEqual([{ up: true }]);
  });

  test("messages arrive in their order, those from before the start too", async () => {
    server.say("one");
    server.say("two");
    await bot.start();
    server.say("three");
    await vi.waitFor(
      () => expect(bot.received.map((m) => m.text)).toEqual(["one", "two", "three"]),
      until,
    );
    expect(bot.received[0]).toMatchObject({
      address: { channel: "telegram", chat: "42" },
      sender: { id: "42", name: "Ada L" },
      version: 0,
      isPrivate: true,
      addressedToBot: true,
      forwarded: false,
    });
  });

  test("an update is acknowledged only once it is durable", async () => {
    const first = server.say("one");
    server.say("two");
    const durable = Promise.withResolvers<void>();
    await bot.start(() => durable.promise);
    await vi.waitFor(() => expect(server.callsOf("getUpdates")).toHaveLength(1), until);
    expect(server.pending()).toBe(2);
    expect(server.confirmed()).toBe(0);
    durable.resolve();
    await vi.waitFor(() => expect(server.confirmed()).toBe(first + 2), until);
  });

  test("what cannot be stored is offered again, and nothing overtakes it", async () => {
    server.say("one");
    server.say("two");
    const offered: string[] = [];
    await bot.start(async (message) => {
      offered.push(message.text);
      if (offered.length < 3) throw new Error("no space left on device");
    });
    await vi.waitFor(() => expect(bot.received).toHaveLength(2), until);
    expect(offered).toEqual(["one", "one", "one", "two"]);
    expect(bot.log.lines.join("\n")).toContain("no space left on device");
  });

  test("an update that cannot be read is skipped and logged by its id", async () => {
    const broken = server.push({ message: { message_id: 1, chat: null } });
    server.say("after it");
    await bot.start();
    await vi.waitFor(() => expect(bot.received.map((m) => m.text)).toEqual(["after it"]), until);
    expect(bot.log.lines.join("\n")).toContain(`"updateId":${broken}`);
    await vi.waitFor(() => expect(server.pending()).toBe(0), until);
  });

  test("stopping acknowledges what was received, and nothing more", async () => {
    server.say("one");
    const second = server.say("two");
    const stopping = Promise.withResolvers<void>();
    await bot.start(async () => {
      stopping.resolve(bot.channel.stop());
    });
    await stopping.promise;
    expect(bot.received.map((m) => m.text)).toEqual(["one"]);
    expect(server.confirmed()).toBe(second);
    expect(server.pending()).toBe(1);
  });

  test("stopping while a message cannot be stored leaves it with Telegram", async () => {
    server.say("one");
    const offered = Promise.withResolvers<void>();
    await bot.start(async () => {
      offered.resolve();
      throw new Error("full");
    });
    await offered.promise;
    await bot.channel.stop();
    expect(server.confirmed()).toBe(0);
    expect(server.pending()).toBe(1);
  });

  test("stopping ends a long poll at once, and nothing is received afterwards", async () => {
    await bot.start();
    await vi.waitFor(() => expect(server.callsOf("getUpdates")).toHaveLength(1), until);
    await bot.channel.stop();
    await bot.channel.stop();
    server.say("too late");
    expect(server.pending()).toBe(1);
    expect(bot.received).toEqual([]);
  });

  test("stopping before the start has come through ends the start", async () => {
    server.trouble("getMe", "silence");
    const starting = bot.start();
    await vi.waitFor(() => expect(server.callsOf("getMe")).toHaveLength(1), until);
    await bot.channel.stop();
    await starting;
    expect(server.callsOf("getUpdates")).toEqual([]);
  });

  test("a press comes with its button and message, and is answered once it is durable", async () => {
    const durable = Promise.withResolvers<void>();
    await bot.start(() => durable.promise);
    const message = userMessage({ text: "Allow?", message_id: 9 });
    server.push({
      callback_query: {
        id: "q1",
        from: { id: 42, first_name: "Ada" },
        message,
        data: "allow:1",
        chat_instance: "c",
      },
    });
    await vi.waitFor(() => expect(server.pending()).toBe(1), until);
    expect(server.callsOf("answerCallbackQuery")).toEqual([]);
    durable.resolve();
    await vi.waitFor(() => expect(server.callsOf("answerCallbackQuery")).toHaveLength(1), until);
    expect(bot.received[0]).toMatchObject({
      id: "press-q1",
      press: { button: "allow:1", messageId: "9" },
    });
  });
});

describe("trouble with the connection", () => {
  test.each([401, 404])("a token refused with %i ends the start with a sentence", async (code) => {
    server.trouble("getMe", { code, description: "Unauthorized" });
    const failure = await failureOf(bot.start());
    expect(failure).toMatchObject({ kind: "unauthorized", fate: "not-sent" });
    expect(failure.message).toContain('"token"');
    expect(server.callsOf("getUpdates")).toEqual([]);
  });

  test("a network that is down at the start is waited for", async () => {
    server.trouble("getMe", "reset", "html-502");
    await bot.start();
    expect(bot.states.slice(0, 2).map((state) => state.up)).toEqual([false, false]);
    expect(bot.states.at(-1)).toEqual({ up: true });
  });

  test("an outage while polling is told, and polling goes on after it", async () => {
    server.trouble("getUpdates", "reset");
    await bot.start();
    server.say("still here");
    await vi.waitFor(() => expect(bot.received).toHaveLength(1), until);
    expect(bot.states.map((state) => state.up)).toEqual([true, false, true]);
  });

  test("a second program on the same token is told loudly, and polling goes on", async () => {
    const description = "Conflict: terminated by other getUpdates request";
    server.trouble("getUpdates", { code: 409, description });
    await bot.start();
    server.say("after the conflict");
    await vi.waitFor(() => expect(bot.states).toHaveLength(2), until);
    expect(bot.states[1]?.reason).toContain("Another program is polling this token");
    expect(
      bot.log.lines.some((line) => line.includes('"level":"error"') && line.includes("409")),
    ).toBe(true);
    await vi.waitFor(() => expect(bot.received).toHaveLength(1), until);
    expect(bot.states.at(-1)).toEqual({ up: true });
  });

  test("a forgotten webhook is removed, and no message is dropped for it", async () => {
    server.say("while it was set");
    server.setWebhook("https://old.example/hook");
    await bot.start();
    await vi.waitFor(() => expect(bot.received).toHaveLength(1), until);
    expect(
      server.callsOf("deleteWebhook").map((call) => call.payload["drop_pending_updates"]),
    ).toEqual([false]);
  });

  test("a rate limit while polling is waited out as asked", async () => {
    server.trouble("getUpdates", {
      code: 429,
      description: "Too Many Requests: retry after 1",
      parameters: { retry_after: 1 },
    });
    server.say("hello");
    await bot.start();
    await vi.waitFor(() => expect(bot.received).toHaveLength(1), until);
    expect(bot.log.lines.join("\n")).toContain('"waitMs":1000');
  });
});

describe("sending", () => {
  test("Markdown is shown in Telegram's markup, without link previews", async () => {
    const id = await send({ text: "**Hi** [you](https://a.example)\n\n```js\n1 < 2\n```" });
    expect(id).toBe("1");
    expect(server.shown[0]?.payload).toMatchObject({
      chat_id: "42",
      text: '<b>Hi</b> <a href="https://a.example">you</a>\n\n<pre><code class="language-js">1 &lt; 2</code></pre>',
      parse_mode: "HTML",
      link_preview_options: { is_disabled: true },
    });
    expect(server.shown[0]?.payload).not.toHaveProperty("message_thread_id");
  });

  test("HTML that Telegram cannot read is sent as plain text, once", async () => {
    server.trouble("sendMessage", {
      code: 400,
      description: "Bad Request: can't parse entities: whatever",
    });
    await send({ text: "**Hi**" });
    expect(server.shown.map((message) => message.text)).toEqual(["Hi"]);
    expect(server.callsOf("sendMessage")[1]?.payload).not.toHaveProperty("parse_mode");
  });

  test("a topic is answered in the topic, the General one without its number", async () => {
    const group = { channel: "telegram", chat: "-1001" };
    await bot.channel.send({ ...group, thread: "7" }, { text: "a" }, "k", live);
    await bot.channel.send({ ...group, thread: "1" }, { text: "b" }, "k", live);
    expect(server.shown.map((message) => message.payload["message_thread_id"])).toEqual([
      7,
      undefined,
    ]);
  });

  test("typing in a forum's General topic carries its number", async () => {
    await bot.start();
    const forum = { id: -1001, type: "supergroup", title: "Forum", is_forum: true };
    server.say("hi", { chat: forum });
    await vi.waitFor(() => expect(bot.received).toHaveLength(1), until);
    const at = bot.received[0]?.address ?? chat;
    expect(at).toEqual({ channel: "telegram", chat: "-1001" });
    await bot.channel.showTyping?.(at, live);
    await bot.channel.showTyping?.(chat, live);
    const threads = server
      .callsOf("sendChatAction")
      .map((call) => call.payload["message_thread_id"]);
    expect(threads).toEqual([1, undefined]);
  });

  test("a file goes with its caption, under a plain name", async () => {
    const data = new Uint8Array([0, 1, 2, 13, 10, 255]);
    const file = { name: "../my; report\n.txt", mediaType: "text/plain", data };
    await send({ text: "*here*", files: [file] });
    expect(server.shown[0]).toMatchObject({ text: "here", fileName: "_my_ report.txt" });
    expect(server.shown[0]?.file).toEqual(data);
  });

  test("a file without words has no caption", async () => {
    const file = { name: "a.txt", mediaType: "text/plain", data: new Uint8Array([1]) };
    await send({ text: "", files: [file] });
    expect(server.shown[0]?.payload).not.toHaveProperty("caption");
  });

  test("what Telegram could not take whole is refused before it is sent", async () => {
    const file = { name: "a", mediaType: "text/plain", data: new Uint8Array([1]) };
    expect(await failureOf(send({ text: "a".repeat(1025), files: [file] }))).toMatchObject({
      kind: "too-long",
      fate: "not-sent",
    });
    expect(await failureOf(send({ text: "a", files: [file, file] }))).toMatchObject({
      kind: "rejected",
    });
    expect(await failureOf(send({ text: " " }))).toMatchObject({ kind: "rejected" });
    expect(
      await failureOf(send({ text: "a", buttons: [{ id: "é".repeat(40), label: "x" }] })),
    ).toMatchObject({ kind: "rejected" });
    expect(server.calls).toEqual([]);
  });

  test("buttons are keys below the message, and gone after an edit without them", async () => {
    const buttons = [
      { id: "a".repeat(40), label: "Allow once" },
      { id: "b", label: "Deny" },
    ];
    const id = await send({ text: "Allow?", buttons });
    const keyboard = [
      [
        { text: "Allow once", callback_data: "a".repeat(40) },
        { text: "Deny", callback_data: "b" },
      ],
    ];
    expect(server.shown[0]?.payload["reply_markup"]).toEqual({ inline_keyboard: keyboard });
    await bot.channel.edit?.(chat, id, { text: "Allowed." }, live);
    expect(server.shown[0]?.text).toBe("Allowed.");
    expect(server.shown[0]?.payload).not.toHaveProperty("reply_markup");
  });

  test("an edit that changes nothing is no failure, and a caption can be edited", async () => {
    const id = await send({ text: "same" });
    await bot.channel.edit?.(chat, id, { text: "same" }, live);
    const file = { name: "a", mediaType: "text/plain", data: new Uint8Array([1]) };
    const second = await send({ text: "before", files: [file] });
    await bot.channel.edit?.(chat, second, { text: "after" }, live);
    expect(server.shown.map((message) => message.text)).toEqual(["same", "after"]);
  });

  test("a group that has become a supergroup is followed, now and later", async () => {
    server.migrate("-5", -1005);
    const group = { channel: "telegram", chat: "-5" };
    await bot.channel.send(group, { text: "one" }, "k", live);
    await bot.channel.send(group, { text: "two" }, "k", live);
    expect(server.shown.map(({ chat, text }) => [chat, text])).toEqual([
      ["-1005", "one"],
      ["-1005", "two"],
    ]);
    expect(server.callsOf("sendMessage")).toHaveLength(3);
  });

  test("commands are written only where they differ", async () => {
    const commands = [{ name: "/help", description: "What I can do" }];
    await bot.channel.setCommands?.(commands, live);
    await bot.channel.setCommands?.(commands, live);
    expect(server.callsOf("setMyCommands").map((call) => call.payload["commands"])).toEqual([
      [{ command: "help", description: "What I can do" }],
    ]);
  });

  test("a reaction is set, and one that Telegram does not know is refused", async () => {
    await bot.channel.react?.(chat, "1", "👀", live);
    expect(server.callsOf("setMessageReaction")[0]?.payload).toMatchObject({
      message_id: 1,
      reaction: [{ type: "emoji", emoji: "👀" }],
    });
    const failure = await failureOf(Promise.resolve(bot.channel.react?.(chat, "1", "🦀🦀", live)));
    expect(failure.kind).toBe("rejected");
  });
});

describe("what a failure to send means", () => {
  const troubles: [string, Trouble, object][] = [
    [
      "429",
      {
        code: 429,
        description: "Too Many Requests: retry after 7",
        parameters: { retry_after: 7 },
      },
      { kind: "rate-limited", fate: "not-sent", retryAfterMs: 7000 },
    ],
    ["401", { code: 401, description: "Unauthorized" }, { kind: "unauthorized", fate: "not-sent" }],
    [
      "400",
      { code: 400, description: "Bad Request: chat not found" },
      { kind: "rejected", fate: "not-sent" },
    ],
    [
      "403",
      { code: 403, description: "Forbidden: bot was blocked by the user" },
      { kind: "rejected", fate: "not-sent" },
    ],
    [
      "too long",
      { code: 400, description: "Bad Request: message is too long" },
      { kind: "too-long", fate: "not-sent" },
    ],
    [
      "500",
      { code: 500, description: "Internal Server Error" },
      { kind: "unavailable", fate: "unknown" },
    ],
    ["a proxy's page", "html-502", { kind: "unavailable", fate: "unknown" }],
    ["JSON that is not Telegram's", "garbage", { kind: "unavailable", fate: "unknown" }],
    ["a reset before an answer", "reset", { kind: "timed-out", fate: "unknown" }],
    ["a reset after it was done", "reset-after-doing", { kind: "timed-out", fate: "unknown" }],
  ];
  test.each(troubles)("%s", async (_, trouble, expected) => {
    server.trouble("sendMessage", trouble);
    expect(await failureOf(send({ text: "hello" }))).toMatchObject(expected);
    expect(server.callsOf("sendMessage")).toHaveLength(1);
  });

  test("no answer in time: it may have arrived", async () => {
    server.trouble("sendMessage", "silence");
    const soon = AbortSignal.timeout(200);
    const failure = await failureOf(bot.channel.send(chat, { text: "a" }, "k", soon));
    expect(failure).toMatchObject({ kind: "timed-out", fate: "unknown" });
  });

  test("a signal that has ended already: nothing was sent", async () => {
    const failure = await failureOf(
      bot.channel.send(chat, { text: "a" }, "k", AbortSignal.abort()),
    );
    expect(failure).toMatchObject({ fate: "not-sent" });
    expect(server.calls).toEqual([]);
  });

  test.each(["http://127.0.0.1:1", "http://no-such-host.invalid"])(
    "nobody there (%s): nothing was sent",
    async (root) => {
      const other = await openTelegram(root, server.token);
      const failure = await failureOf(other.channel.send(chat, { text: "a" }, "k", live));
      expect(failure).toMatchObject({ kind: "unavailable", fate: "not-sent" });
    },
  );

  test("a blocked bot is explained", async () => {
    server.trouble("sendMessage", {
      code: 403,
      description: "Forbidden: bot was blocked by the user",
    });
    expect((await failureOf(send({ text: "a" }))).message).toContain(
      "The person has blocked the bot.",
    );
  });
});

describe("downloads", () => {
  test("give the bytes", async () => {
    server.addFile("f 1", new Uint8Array([1, 2, 3]));
    expect(new Uint8Array((await bot.channel.download?.("f 1", 10, live)) ?? [])).toEqual(
      new Uint8Array([1, 2, 3]),
    );
  });

  test("stop at the size that is allowed, whatever was told before", async () => {
    server.addFile("told", new Uint8Array(2000));
    server.addFile("lied", new Uint8Array(5_000_000), { file_size: 10 });
    for (const ref of ["told", "lied"]) {
      const failure = await failureOf(Promise.resolve(bot.channel.download?.(ref, 1000, live)));
      expect(failure.kind).toBe("too-long");
    }
  });

  test("explain Telegram's own limit", async () => {
    server.trouble("getFile", { code: 400, description: "Bad Request: file is too big" });
    const failure = await failureOf(Promise.resolve(bot.channel.download?.("x", 1e9, live)));
    expect(failure.message).toContain("20 MB");
    expect(failure.kind).toBe("too-long");
  });

  test.each(["/var/lib/telegram/file", "../secret", "a/../../b"])(
    "refuse the path %s",
    async (file_path) => {
      server.addFile("x", new Uint8Array(1), { file_path });
      const failure = await failureOf(Promise.resolve(bot.channel.download?.("x", 100, live)));
      expect(failure.kind).toBe("rejected");
    },
  );

  test("a connection that breaks in the middle is a failure, not a short file", async () => {
    server.addFile("x", new Uint8Array(10));
    server.trouble("download", "reset-after-doing");
    const failure = await failureOf(Promise.resolve(bot.channel.download?.("x", 1e7, live)));
    expect(failure.message).toContain("download");
  });
});

/** Everything of an error that a log or a person could ever see. */
function everythingOf(error: unknown): string {
  let text = "";
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    text += `${inner.stack} ${JSON.stringify(inner, Object.getOwnPropertyNames(inner))}\n`;
  }
  return text;
}

describe("the token", () => {
  test("is in what the network layer throws (so the tests below can fail)", async () => {
    const { Api } = (await import("grammy")).default;
    server.trouble("getMe", "html-502");
    const thrown: unknown = await new Api(server.token, { apiRoot: server.apiRoot })
      .getMe()
      .catch((e: unknown) => e);
    expect((thrown as { error: Error }).error.message).toContain(server.token);
  });

  const leak = "cannot POST /bot777:standin-Canary_Token/x";
  const troubles: Trouble[] = [
    "reset",
    "reset-after-doing",
    "html-502",
    "garbage",
    ...[400, 401, 403, 404, 409, 413, 429, 500].map((code) => ({ code, description: leak })),
  ];
  test.each(troubles)("is in no error, log line or state: %j", async (trouble) => {
    const errors: unknown[] = [];
    const keep = async (work: Promise<unknown> | undefined) => {
      await work?.catch((error: unknown) => errors.push(error));
    };
    for (const method of [
      "sendMessage",
      "sendDocument",
      "editMessageText",
      "sendChatAction",
      "setMessageReaction",
      "getMyCommands",
      "setMyCommands",
      "getFile",
      "getMe",
      "getUpdates",
      "download",
    ]) {
      server.trouble(method, trouble);
    }
    server.addFile("f", new Uint8Array(3));
    const { channel } = bot;
    const file = { name: "a", mediaType: "text/plain", data: new Uint8Array([1]) };
    await keep(channel.send(chat, { text: "a" }, "k", live));
    await keep(channel.send(chat, { text: "a", files: [file] }, "k", live));
    await keep(channel.edit?.(chat, "1", { text: "b" }, live));
    await keep(channel.showTyping?.(chat, live));
    await keep(channel.react?.(chat, "1", "👍", live));
    await keep(channel.setCommands?.([{ name: "a", description: "b" }], live));
    await keep(channel.download?.("f", 100, live));
    await keep(channel.download?.("f", 100, live));
    const settings = telegram.settings.parse({ token: server.token, api_root: server.apiRoot });
    settings.token.resolve(server.token);
    await keep(telegram.check?.(settings, live));
    server.trouble("getMe", trouble);
    const starting = keep(bot.start());
    await vi.waitFor(() => expect(bot.states.length + errors.length).toBeGreaterThan(8), until);
    await channel.stop();
    await starting;
    expect(errors.length).toBeGreaterThan(6);
    const all =
      errors.map((error) => everythingOf(error)).join("\n") +
      JSON.stringify(bot.states) +
      bot.log.lines.join("\n");
    expect(all).not.toContain("Canary");
  });

  test("is in no error where nobody answers, or something else than HTTP does", async () => {
    const odd = createServer((socket) => socket.end("\u0000\u0001 not HTTP\r\n\r\n"));
    await new Promise<void>((resolve) => {
      odd.listen(0, "127.0.0.1", resolve);
    });
    const { port } = odd.address() as AddressInfo;
    for (const root of [
      "http://127.0.0.1:1",
      `http://127.0.0.1:${port}`,
      `https://127.0.0.1:${port}`,
    ]) {
      const other = await openTelegram(root, server.token);
      const failures = [
        await failureOf(other.channel.send(chat, { text: "a" }, "k", live)),
        await failureOf(Promise.resolve(other.channel.download?.("f", 10, live))),
      ];
      expect(failures.map((failure) => everythingOf(failure)).join("\n")).not.toContain("Canary");
    }
    odd.close();
  });
});

test("check names the bot, or says what is wrong with the token", async () => {
  const settings = telegram.settings.parse({ token: "env://T", api_root: `${server.apiRoot}/` });
  settings.token.resolve(server.token);
  expect(await telegram.check?.(settings, live)).toBe("Telegram knows this bot as @Barnacle_Bot.");
  settings.token.resolve("1:wrong");
  expect((await failureOf(Promise.resolve(telegram.check?.(settings, live)))).message).toContain(
    "@BotFather",
  );
});
