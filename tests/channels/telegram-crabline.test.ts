import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTelegramServer } from "@openclaw/crabline";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Running } from "./telegram-channel.ts";
import { openTelegram } from "./telegram-channel.ts";

// The ordinary ways once more, against a Bot API server that nobody of this project wrote.

const live = new AbortController().signal;
const until = { timeout: 15_000, interval: 10 };

let folder: string;
let server: Awaited<ReturnType<typeof startTelegramServer>>;
let bot: Running;
let calls: { method: string; body: Record<string, unknown> }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "crabline-"));
  calls = [];
  server = await startTelegramServer({
    recorderPath: join(folder, "log.jsonl"),
    onEvent: (event) => {
      const method = event.path.split("/").at(-1) ?? "";
      calls.push({ method, body: event.body as Record<string, unknown> });
    },
  });
  bot = await openTelegram(server.manifest.endpoints.apiRoot, server.manifest.botToken);
});

afterEach(async () => {
  await bot.channel.stop();
  await server.close();
  await rm(folder, { recursive: true });
});

async function say(body: object): Promise<void> {
  const response = await fetch(server.manifest.endpoints.adminInboundUrl, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-crabline-admin-token": server.manifest.adminToken,
    },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

const sentTo = (method: string) => calls.filter((call) => call.method === method);

test("messages come in, and are not offered again after a restart", async () => {
  await bot.start();
  expect(bot.channel.account).toBe("@crabline_bot");
  await say({ chatId: 4242, fromId: 4242, text: "first" });
  await say({ chatId: 4242, fromId: 4242, text: "second" });
  await vi.waitFor(
    () => expect(bot.received.map((m) => m.text)).toEqual(["first", "second"]),
    until,
  );
  expect(bot.received[0]).toMatchObject({
    address: { chat: "4242" },
    sender: { id: "4242" },
    isPrivate: true,
  });
  await bot.channel.stop();

  bot = await openTelegram(server.manifest.endpoints.apiRoot, server.manifest.botToken);
  await bot.start();
  await say({ chatId: 4242, fromId: 4242, text: "third" });
  await vi.waitFor(() => expect(bot.received.map((m) => m.text)).toEqual(["third"]), until);
});

test("answers, edits, typing, reactions, files, buttons and commands are taken", async () => {
  await bot.start();
  await say({ chatId: 4242, fromId: 4242, text: "hello" });
  await vi.waitFor(() => expect(bot.received).toHaveLength(1), until);
  const at = bot.received[0]?.address ?? { channel: "", chat: "" };
  const { channel } = bot;
  await channel.showTyping?.(at, live);
  await channel.react?.(at, bot.received[0]?.id ?? "", "👀", live);
  const buttons = [{ id: "y", label: "Yes" }];
  const id = await channel.send(
    at,
    { text: "**Hi** & [a](https://a.example)", buttons },
    "k",
    live,
  );
  await channel.edit?.(at, id, { text: "Hi _again_" }, live);
  const data = new TextEncoder().encode("content");
  await channel.send(
    at,
    { text: "a file", files: [{ name: "a.txt", mediaType: "text/plain", data }] },
    "k",
    live,
  );
  await channel.setCommands?.([{ name: "help", description: "Help" }], live);
  expect(sentTo("sendMessage")[0]?.body).toMatchObject({ chat_id: "4242", parse_mode: "HTML" });
  const methods = [
    "sendChatAction",
    "setMessageReaction",
    "editMessageText",
    "sendDocument",
    "setMyCommands",
  ];
  for (const method of methods) expect([method, sentTo(method).length]).toEqual([method, 1]);
});

test("a text of exactly the limit is taken, one more is refused as too long", async () => {
  const at = { channel: "telegram", chat: "4242" };
  await bot.channel.send(at, { text: "x".repeat(bot.channel.maxTextLength) }, "k", live);
  const refused = bot.channel.send(
    at,
    { text: "x".repeat(bot.channel.maxTextLength + 1) },
    "k",
    live,
  );
  await expect(refused).rejects.toMatchObject({
    name: "ChannelError",
    fate: "not-sent",
    kind: "too-long",
  });
});

test("a wrong token ends the start", async () => {
  const other = await openTelegram(server.manifest.endpoints.apiRoot, "1:wrong");
  await expect(other.start()).rejects.toMatchObject({ name: "ChannelError", kind: "unauthorized" });
});
