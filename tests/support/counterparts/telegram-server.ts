import type { IncomingMessage, ServerResponse } from "node:http";
import type { Message, Update, User } from "grammy/types";
import { createGates } from "./gates.ts";
import { closedSignal, createPlainServer, listenOnLoopback, reset, sendJson } from "./http.ts";
import { serveParent, sharedNowMs } from "./remote.ts";
import type {
  BotMessage,
  Call,
  Fault,
  Incoming,
  TelegramControl,
  TelegramEvent,
  TelegramPoint,
} from "./telegram.ts";
import { suffer } from "./telegram-faults.ts";
import { parseText } from "./telegram-text.ts";
import { createUpdateQueue } from "./telegram-updates.ts";
import {
  buttonsOf,
  chatOf,
  entitiesOf,
  field,
  nowSeconds,
  readParams,
  textOf,
  userOf,
} from "./telegram-wire.ts";
import type { Params } from "./telegram-wire.ts";

/**
 * A stand-in for Telegram's Bot API (https://core.telegram.org/bots/api), started by `telegram.ts`:
 * injected message -> update queue -> getUpdates ... sendMessage -> the chat as its members see it.
 */

class Refusal extends Error {
  readonly code: number;
  constructor(code: number, description: string) {
    super(description);
    this.code = code;
  }
}

const token = "123456:TEST";
const bot: User & { is_bot: true } = {
  id: 123456,
  is_bot: true,
  first_name: "Barnacle",
  username: "barnacle_test_bot",
};
const maxCalls = 50_000;

const emit = serveParent(control()) as (event: TelegramEvent) => void;
const gates = createGates<TelegramPoint>(emit);
const updates = createUpdateQueue();
const calls: Call[] = [];
const messages: BotMessage[] = [];
const files = new Map<string, { readonly name: string; readonly data: Uint8Array }>();
const nextMessageIds = new Map<number, number>();
const commands = new Map<string, unknown>();
const known = new Map<string, Message>();
const watchers = new Set<() => void>();
const guarded = new Set<number>();
process.on("exit", () => {
  for (const pid of guarded) endIfRunning(pid);
});
let faults: (Fault & { left: number })[] = [];
let seq = 0;
let fileCount = 0;
let presses = 0;

const server = createPlainServer(async (request, response) => {
  const path = (request.url ?? "").split("?")[0] ?? "";
  if (path.startsWith("/file/")) return serveFile(path, response);
  const [, given, method] = /^\/bot([^/]+)\/([A-Za-z]+)$/.exec(path) ?? [];
  if (given !== token) return refuse(response, new Refusal(401, "Unauthorized"));
  if (method === undefined) return refuse(response, new Refusal(404, "Not Found"));
  await serveMethod(method, request, response);
});

async function serveMethod(
  method: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const closed = closedSignal(response);
  const params = await readParams(request);
  const call = record(method, params);
  const fault = takeFault(method, JSON.stringify(params));
  try {
    if (fault !== undefined && fault.when !== "after") {
      const over = await suffer(fault, response, closed);
      if (over) return;
    }
    const result = await perform(method, params, call, closed);
    if (result === dropped || closed.aborted) {
      call.outcome = "dropped";
      return reset(response);
    }
    if (fault?.when === "after") {
      const over = await suffer(fault, response, closed);
      if (over) return;
    }
    await new Promise<void>((resolve) => {
      response.once("close", resolve);
      response.once("finish", resolve);
      sendJson(response, 200, { ok: true, result });
    });
    call.outcome = "answered";
    call.answeredAtMs = sharedNowMs();
    await afterwards(method, params, result);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    call.outcome = "refused";
    call.refusal = error.message;
    refuse(response, error);
  }
}

const dropped = Symbol("dropped");

async function perform(
  method: string,
  params: Params,
  call: Call,
  closed: AbortSignal,
): Promise<unknown> {
  switch (method) {
    case "getMe":
      return {
        ...bot,
        can_join_groups: true,
        can_read_all_group_messages: false,
        supports_inline_queries: false,
      };
    case "getUpdates":
      return await getUpdates(params, call, closed);
    case "sendMessage":
      return await sendMessage(params);
    case "sendDocument":
    case "sendPhoto":
      return await sendFile(method, params);
    case "editMessageText":
    case "editMessageReplyMarkup":
      return editMessage(params);
    case "deleteMessage":
      return deleteMessage(params);
    case "sendChatAction":
      return (await gates.pass("chat action", field(params, "chat_id"))) === "drop"
        ? dropped
        : true;
    case "setMyCommands":
      commands.set(JSON.stringify(params["scope"] ?? null), params["commands"]);
      return true;
    case "getMyCommands":
      return commands.get(JSON.stringify(params["scope"] ?? null)) ?? [];
    case "getWebhookInfo":
      return { url: "", has_custom_certificate: false, pending_update_count: updates.waiting() };
    case "deleteWebhook":
    case "answerCallbackQuery":
    case "setMessageReaction":
    case "deleteMyCommands":
    case "setMyDescription":
    case "setMyShortDescription":
    case "setChatMenuButton":
      return true;
    case "getFile":
      return getFile(params);
    case "getChat":
      return { ...chatOf(Number(params["chat_id"])), accent_color_id: 0, max_reaction_count: 11 };
    default:
      throw new Refusal(404, "Not Found");
  }
}

async function getUpdates(params: Params, call: Call, closed: AbortSignal): Promise<unknown> {
  const gone = updates.confirm(Number(params["offset"] ?? 0));
  for (const update of gone) {
    const text = textOf(update);
    emit({ type: "confirmed", updateId: update.update_id, text });
    if ((await gates.pass("offset moved", text)) === "drop") return dropped;
  }
  const allowed = params["allowed_updates"];
  const poll = await updates.poll({
    offset: Number(params["offset"] ?? 0),
    limit: Math.min(100, Number(params["limit"] ?? 100)),
    timeoutMs: Number(params["timeout"] ?? 0) * 1000,
    allowed: Array.isArray(allowed) ? allowed.map(String) : undefined,
    closed,
  });
  if (poll.type === "closed") return dropped;
  if (poll.type === "conflict") {
    throw new Refusal(
      409,
      "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    );
  }
  call.delivered = poll.updates.map((update) => update.update_id);
  for (const update of poll.updates) {
    if ((await gates.pass("update to be delivered", textOf(update))) === "drop") return dropped;
  }
  return poll.updates;
}

/** Points that lie behind the response's last byte. */
async function afterwards(method: string, params: Params, result: unknown): Promise<void> {
  if (method === "getUpdates" && Array.isArray(result)) {
    for (const update of result as Update[]) await gates.pass("update delivered", textOf(update));
  }
  if (method === "sendMessage") await gates.pass("sendMessage answered", field(params, "text"));
}

async function sendMessage(params: Params): Promise<unknown> {
  const parsed = parseText(field(params, "text"), field(params, "parse_mode"));
  if (!parsed.ok) throw new Refusal(400, parsed.description);
  if ((await gates.pass("sendMessage received", parsed.text)) === "drop") return dropped;
  const message = addBotMessage(params, parsed.text);
  if ((await gates.pass("sendMessage recorded", parsed.text)) === "drop") return dropped;
  return message;
}

async function sendFile(method: string, params: Params): Promise<unknown> {
  const caption = field(params, "caption");
  const parsed =
    caption === ""
      ? ({ ok: true, text: "" } as const)
      : parseText(caption, field(params, "parse_mode"));
  if (!parsed.ok) throw new Refusal(400, parsed.description);
  const file = Object.values(params).find((value) => value instanceof File);
  if (file === undefined) throw new Refusal(400, `Bad Request: there is no file in the request`);
  if ((await gates.pass("sendMessage received", parsed.text)) === "drop") return dropped;
  const data = new Uint8Array(await file.arrayBuffer());
  const fileId = addFile(file.name, data);
  const message = addBotMessage(params, parsed.text, { name: file.name, data });
  if ((await gates.pass("sendMessage recorded", parsed.text)) === "drop") return dropped;
  const described = { file_id: fileId, file_unique_id: `u${fileId}`, file_size: data.length };
  return method === "sendPhoto"
    ? { ...message, photo: [{ ...described, width: 1, height: 1 }] }
    : { ...message, document: { ...described, file_name: file.name } };
}

function addBotMessage(params: Params, text: string, file?: BotMessage["file"]): object {
  const chat = chatOf(Number(params["chat_id"]));
  const id = takeMessageId(chat.id);
  const reply = params["reply_parameters"] as { readonly message_id?: number } | undefined;
  seq += 1;
  messages.push({
    seq,
    atMs: sharedNowMs(),
    chat: chat.id,
    id,
    text,
    thread:
      params["message_thread_id"] === undefined ? undefined : Number(params["message_thread_id"]),
    replyTo: reply?.message_id,
    buttons: buttonsOf(params),
    edits: 0,
    deleted: false,
    file,
  });
  emit({ type: "sent", chat: chat.id, text });
  for (const look of watchers) look();
  return { message_id: id, date: nowSeconds(), chat, from: bot, text };
}

function editMessage(params: Params): unknown {
  const message = messages.find(
    (one) => one.chat === Number(params["chat_id"]) && one.id === Number(params["message_id"]),
  );
  if (message === undefined) throw new Refusal(400, "Bad Request: message to edit not found");
  const before = JSON.stringify([message.text, message.buttons]);
  if (params["text"] !== undefined) {
    const parsed = parseText(field(params, "text"), field(params, "parse_mode"));
    if (!parsed.ok) throw new Refusal(400, parsed.description);
    message.text = parsed.text;
  }
  message.buttons = buttonsOf(params);
  if (JSON.stringify([message.text, message.buttons]) === before) {
    throw new Refusal(
      400,
      "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
    );
  }
  message.edits += 1;
  for (const look of watchers) look();
  const chat = chatOf(message.chat);
  return { message_id: message.id, date: nowSeconds(), chat, from: bot, text: message.text };
}

function deleteMessage(params: Params): boolean {
  const message = messages.find(
    (one) => one.chat === Number(params["chat_id"]) && one.id === Number(params["message_id"]),
  );
  if (message === undefined) throw new Refusal(400, "Bad Request: message to delete not found");
  message.deleted = true;
  return true;
}

function getFile(params: Params): unknown {
  const id = field(params, "file_id");
  const file = files.get(id);
  if (file === undefined)
    throw new Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable");
  return {
    file_id: id,
    file_unique_id: `u${id}`,
    file_size: file.data.length,
    file_path: `documents/${id}`,
  };
}

function serveFile(path: string, response: ServerResponse): void {
  record("download", { path: path.replace(token, "TOKEN") });
  const file = files.get(path.split("/").at(-1) ?? "");
  if (file === undefined || !path.startsWith(`/file/bot${token}/`)) {
    return refuse(response, new Refusal(404, "Not Found"));
  }
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": file.data.length,
  });
  response.end(file.data);
}

function control(): TelegramControl {
  return {
    listen: async (port) => await listenOnLoopback(server, port),
    inject: (incoming) => inject(incoming),
    injectMany: (all) => all.map((incoming) => inject(incoming)),
    edit(chat, id, text) {
      const before = known.get(`${chat}/${id}`);
      if (before === undefined) throw new Error(`There is no message ${id} in chat ${chat}.`);
      const edited = { ...before, text, edit_date: nowSeconds() };
      known.set(`${chat}/${id}`, edited);
      updates.push({ edited_message: edited });
    },
    press(chat, id, data, from) {
      const message = messages.find((one) => one.chat === chat && one.id === id);
      if (message === undefined) throw new Error(`The bot sent no message ${id} to chat ${chat}.`);
      presses += 1;
      updates.push({
        callback_query: {
          id: `press${presses}`,
          from: userOf(from),
          chat_instance: String(chat),
          data,
          message: {
            message_id: id,
            date: nowSeconds(),
            chat: chatOf(chat),
            from: bot,
            text: message.text,
          },
        },
      });
    },
    arm: (rule) => gates.arm(rule),
    release: (id, verdict) => gates.release(id, verdict),
    releaseAll: (verdict) => gates.releaseAll(verdict),
    fault: (fault) => void faults.push({ ...fault, left: fault.times ?? 1 }),
    clearFaults: () => void (faults = []),
    messages: (chat) => messages.filter((one) => chat === undefined || one.chat === chat),
    calls: (method) => calls.filter((one) => method === undefined || one.method === method),
    countCalls: (method) => calls.filter((one) => one.method === method).length,
    commands: () => Object.fromEntries(commands),
    queue: () => ({ waiting: updates.waiting(), confirmedUpTo: updates.confirmedUpTo() }),
    guard: (pid, on) => void (on ? guarded.add(pid) : guarded.delete(pid)),
    forgetCalls: () => void calls.splice(0),
    async waitForMessages({ chat, includes, count, timeoutMs }) {
      const fitting = (): BotMessage[] =>
        messages.filter(
          (one) =>
            (chat === undefined || one.chat === chat) &&
            (includes === undefined || one.text.includes(includes)),
        );
      await new Promise<void>((resolve) => {
        const look = (): void => {
          if (fitting().length < (count ?? 1)) return;
          clearTimeout(timer);
          watchers.delete(look);
          resolve();
        };
        const timer = setTimeout(() => {
          watchers.delete(look);
          resolve();
        }, timeoutMs);
        watchers.add(look);
        look();
      });
      return fitting();
    },
  };
}

function inject(incoming: Incoming): {
  readonly id: number;
  readonly updateId: number;
  readonly atMs: number;
} {
  const chat = chatOf(incoming.chat ?? incoming.from);
  const id = takeMessageId(chat.id);
  const text = incoming.text ?? "";
  const body: Record<string, unknown> = {};
  if (incoming.document !== undefined) {
    const { name, mediaType, data } = incoming.document;
    const fileId = addFile(name, data);
    body["document"] = {
      file_id: fileId,
      file_unique_id: `u${fileId}`,
      file_name: name,
      mime_type: mediaType,
      file_size: data.length,
    };
  }
  if (incoming.photo !== undefined) {
    body["photo"] = [incoming.photo.subarray(0, 1), incoming.photo].map((data, index) => {
      const fileId = addFile("photo.png", data);
      const side = index === 0 ? 90 : 800;
      return {
        file_id: fileId,
        file_unique_id: `u${fileId}`,
        width: side,
        height: side,
        file_size: data.length,
      };
    });
  }
  const captioned = body["document"] !== undefined || body["photo"] !== undefined;
  if (text !== "") body[captioned ? "caption" : "text"] = text;
  const entities = entitiesOf(text);
  if (entities.length > 0) body[captioned ? "caption_entities" : "entities"] = entities;
  if (incoming.thread !== undefined) {
    body["message_thread_id"] = incoming.thread;
    body["is_topic_message"] = true;
  }
  if (incoming.replyTo !== undefined)
    body["reply_to_message"] = quotedMessage(chat.id, incoming.replyTo);
  if (incoming.forwarded === true) {
    body["forward_origin"] = {
      type: "hidden_user",
      sender_user_name: "Someone",
      date: nowSeconds(),
    };
  }
  const message = {
    message_id: id,
    date: nowSeconds(),
    chat,
    from: userOf(incoming.from, incoming.name),
    ...body,
  } as unknown as Message & Update.NonChannel;
  known.set(`${chat.id}/${id}`, message);
  const atMs = sharedNowMs();
  const updateId = updates.push({ message });
  return { id, updateId, atMs };
}

function quotedMessage(chat: number, id: number): unknown {
  const own = messages.find((one) => one.chat === chat && one.id === id);
  if (own === undefined) return known.get(`${chat}/${id}`);
  return { message_id: id, date: nowSeconds(), chat: chatOf(chat), from: bot, text: own.text };
}

function takeMessageId(chat: number): number {
  const id = nextMessageIds.get(chat) ?? 1;
  nextMessageIds.set(chat, id + 1);
  return id;
}

function addFile(name: string, data: Uint8Array): string {
  fileCount += 1;
  const id = `file${fileCount}`;
  files.set(id, { name, data });
  return id;
}

function record(method: string, params: Params): Call {
  seq += 1;
  const plain = Object.fromEntries(
    Object.entries(params).map(([key, value]) => [key, value instanceof File ? value.name : value]),
  );
  const call: Call = { seq, atMs: sharedNowMs(), method, params: plain, outcome: "open" };
  if (calls.length < maxCalls) calls.push(call);
  emit({ type: "called", method, seq });
  return call;
}

function takeFault(method: string, text: string): Fault | undefined {
  const fault = faults.find(
    (one) =>
      one.left > 0 &&
      one.method === method &&
      (one.match === undefined || text.includes(one.match)),
  );
  if (fault !== undefined) fault.left -= 1;
  return fault;
}

function refuse(response: ServerResponse, { code, message }: Refusal): void {
  sendJson(response, code, { ok: false, error_code: code, description: message });
}

function endIfRunning(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    return; // it had ended already
  }
}
