import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readTelegramHtml } from "./telegram-html.ts";

// A small Bot API server, written from core.telegram.org/bots/api, for what ready-made counterparts lack: downloads,
// conflicts, rate limits, broken connections, topics, presses, and Telegram's limits asserted.

type Json = Record<string, unknown>;

interface Call {
  readonly method: string;
  readonly payload: Json;
}

/** What happens to one call instead of the usual: a refusal, a broken connection, garbage, or no answer. */
export type Trouble =
  | { readonly code: number; readonly description: string; readonly parameters?: Json }
  | "reset"
  | "reset-after-doing"
  | "html-502"
  | "garbage"
  | "silence";

class Refusal extends Error {
  readonly code: number;
  readonly parameters: Json | undefined;
  constructor(code: number, description: string, parameters?: Json) {
    super(description);
    this.code = code;
    this.parameters = parameters;
  }
}

export interface TelegramStandin {
  readonly apiRoot: string;
  readonly token: string;
  readonly calls: Call[];
  /** What the chat shows: text without markup, in order. */
  readonly shown: {
    chat: string;
    text: string;
    payload: Json;
    file?: Uint8Array;
    fileName?: string;
  }[];
  /** Everything below this was acknowledged, and is forgotten as Telegram forgets it. */
  confirmed(): number;
  pending(): number;
  push(update: Json): number;
  /** A text message from person 42 in their private chat, with fields overridden. */
  say(text: string, fields?: Json): number;
  trouble(method: string, ...troubles: Trouble[]): void;
  setWebhook(url: string): void;
  addFile(id: string, bytes: Uint8Array, told?: Json): void;
  migrate(chat: string, to: number): void;
  callsOf(method: string): Call[];
  close(): Promise<void>;
}

const bot = { id: 777, is_bot: true, first_name: "Barnacle", username: "Barnacle_Bot" };

export async function startTelegramStandin(
  token = "777:standin-Canary_Token",
): Promise<TelegramStandin> {
  const calls: Call[] = [];
  const shown: TelegramStandin["shown"] = [];
  const troubles = new Map<string, Trouble[]>();
  const files = new Map<string, { bytes: Uint8Array; told: Json }>();
  const migrations = new Map<string, number>();
  let updates: (Json & { update_id: number })[] = [];
  let nextUpdate = 1000;
  let nextMessage = 1;
  let confirmed = 0;
  let webhook = "";
  let commands: unknown = [];
  let poll: { wake: () => void; conflict: () => void } | undefined;

  const methods: Record<string, (payload: Json, request: IncomingMessage) => unknown> = {
    getMe: () => bot,
    deleteWebhook(payload) {
      webhook = "";
      if (payload["drop_pending_updates"] === true) updates = [];
      return true;
    },
    getUpdates: (payload, request) => getUpdates(payload, request),
    sendMessage(payload) {
      const text = readText(payload["text"], payload["parse_mode"], 4096, "message text is empty");
      return post(payload, text);
    },
    sendDocument(payload) {
      const caption = payload["caption"];
      const text = caption === undefined ? "" : readText(caption, payload["parse_mode"], 1024, "");
      const file = payload["document"] as { name: string; data: Uint8Array };
      if (!(file?.data instanceof Uint8Array))
        throw new Refusal(400, "Bad Request: there is no document in the request");
      return post(payload, text, file);
    },
    editMessageText(payload) {
      const old = shown[Number(payload["message_id"]) - 1];
      if (old === undefined) throw new Refusal(400, "Bad Request: message to edit not found");
      if (old.file !== undefined)
        throw new Refusal(400, "Bad Request: there is no text in the message to edit");
      return change(
        old,
        payload,
        readText(payload["text"], payload["parse_mode"], 4096, "message text is empty"),
      );
    },
    editMessageCaption(payload) {
      const old = shown[Number(payload["message_id"]) - 1];
      if (old?.file === undefined) throw new Refusal(400, "Bad Request: message to edit not found");
      return change(old, payload, readText(payload["caption"], payload["parse_mode"], 1024, ""));
    },
    sendChatAction: () => true,
    answerCallbackQuery: () => true,
    setMessageReaction(payload) {
      for (const { emoji } of payload["reaction"] as { emoji: string }[]) {
        if (!["👍", "👀"].includes(emoji)) throw new Refusal(400, "Bad Request: REACTION_INVALID");
      }
      return true;
    },
    getMyCommands: () => commands,
    setMyCommands(payload) {
      commands = payload["commands"];
      return true;
    },
    getFile({ file_id: id }) {
      const file = files.get(String(id));
      if (file === undefined) throw new Refusal(400, "Bad Request: invalid file_id");
      if (file.bytes.length > 20 * 1024 * 1024)
        throw new Refusal(400, "Bad Request: file is too big");
      return {
        file_id: id,
        file_unique_id: "u",
        file_size: file.bytes.length,
        file_path: `documents/${String(id)}`,
        ...file.told,
      };
    },
  };

  function post(payload: Json, text: string, file?: { name: string; data: Uint8Array }): unknown {
    const chat = String(payload["chat_id"]);
    const newId = migrations.get(chat);
    if (newId !== undefined) {
      throw new Refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", {
        migrate_to_chat_id: newId,
      });
    }
    // The General topic's number is refused: tdlib knows it by no thread at all.
    if (payload["message_thread_id"] === 1)
      throw new Refusal(400, "Bad Request: message thread not found");
    checkKeyboard(payload);
    shown.push({ chat, text, payload, ...(file && { file: file.data, fileName: file.name }) });
    const id = nextMessage;
    nextMessage += 1;
    return { message_id: id, date: 1, chat: { id: Number(chat), type: "private" }, text };
  }

  function change(old: TelegramStandin["shown"][number], payload: Json, text: string): unknown {
    checkKeyboard(payload);
    const same =
      JSON.stringify(old.payload["reply_markup"]) === JSON.stringify(payload["reply_markup"]);
    if (old.text === text && same) {
      throw new Refusal(
        400,
        "Bad Request: message is not modified: specified new message content and reply markup are exactly the same",
      );
    }
    old.text = text;
    old.payload = payload;
    return true;
  }

  async function getUpdates(payload: Json, request: IncomingMessage): Promise<unknown> {
    if (webhook !== "") {
      throw new Refusal(
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      );
    }
    poll?.conflict();
    const offset = Number(payload["offset"] ?? 0);
    updates = updates.filter((update) => update.update_id >= offset);
    confirmed = Math.max(confirmed, offset);
    const due = (): unknown => updates.slice(0, Number(payload["limit"] ?? 100));
    const seconds = Number(payload["timeout"] ?? 0);
    if (updates.length > 0 || seconds === 0) return due();
    return await new Promise((resolve, reject) => {
      const mine = {
        wake: () => end(() => resolve(due())),
        conflict: () => end(() => reject(terminated())),
      };
      const timer = setTimeout(mine.wake, seconds * 1000);
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        if (poll === mine) poll = undefined;
        settle();
      };
      poll = mine;
      request.socket.once("close", mine.wake);
    });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const [, secret, method = ""] = /^\/bot([^/]+)\/(\w+)$/.exec(request.url ?? "") ?? [];
    const download = /^\/file\/bot([^/]+)\/documents\/(.+)$/.exec(request.url ?? "");
    if (download !== null) return sendFile(download, response);
    if (secret !== token)
      return reply(response, 401, { ok: false, error_code: 401, description: "Unauthorized" });
    const payload = parse(body, request.headers["content-type"] ?? "");
    calls.push({ method, payload });
    const trouble = troubles.get(method)?.shift();
    if (trouble === "silence") return;
    if (trouble === "reset") return void request.socket.destroy();
    if (trouble === "html-502") {
      return void response
        .writeHead(502, { "content-type": "text/html" })
        .end(`<html>Bad Gateway ${request.url}</html>`);
    }
    if (trouble === "garbage") return reply(response, 200, { hello: request.url });
    try {
      if (typeof trouble === "object")
        throw new Refusal(trouble.code, trouble.description, trouble.parameters);
      const run = methods[method];
      if (run === undefined) throw new Refusal(404, "Not Found: method not found");
      const result = await run(payload, request);
      if (trouble === "reset-after-doing") return void request.socket.destroy();
      return reply(response, 200, { ok: true, result });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, message: description, parameters } = error;
      return reply(response, code, { ok: false, error_code: code, description, parameters });
    }
  }

  function sendFile([, secret, id = ""]: RegExpExecArray, response: ServerResponse): void {
    const file = files.get(decodeURIComponent(id));
    const trouble = troubles.get("download")?.shift();
    if (trouble === "reset") return void response.destroy();
    if (trouble === "reset-after-doing") {
      response.writeHead(200, { "content-length": "1000000" }).write("x");
      return void setTimeout(() => response.destroy(), 20);
    }
    if (typeof trouble === "object")
      return reply(response, trouble.code, { ok: false, description: trouble.description });
    if (secret !== token || file === undefined) return reply(response, 404, { ok: false });
    response.writeHead(200).end(file.bytes);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      reply(response, 500, { ok: false, error_code: 500, description: String(error) });
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;

  const standin: TelegramStandin = {
    apiRoot: `http://127.0.0.1:${port}`,
    token,
    calls,
    shown,
    confirmed: () => confirmed,
    pending: () => updates.length,
    push(update) {
      const update_id = nextUpdate;
      nextUpdate += 1;
      updates.push({ ...update, update_id });
      poll?.wake();
      return update_id;
    },
    say: (text, fields = {}) => standin.push({ message: userMessage({ text, ...fields }) }),
    trouble(method, ...list) {
      troubles.set(method, [...(troubles.get(method) ?? []), ...list]);
    },
    setWebhook(url) {
      webhook = url;
    },
    addFile: (id, bytes, told = {}) => void files.set(id, { bytes, told }),
    migrate: (chat, to) => void migrations.set(chat, to),
    callsOf: (method) => calls.filter((call) => call.method === method),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return standin;
}

let nextUserMessage = 1;

/** A message as Telegram tells it: from person 42, in their private chat. */
export function userMessage(fields: Json): Json {
  const message_id = nextUserMessage;
  nextUserMessage += 1;
  const from = { id: 42, is_bot: false, first_name: "Ada", last_name: "L" };
  return {
    message_id,
    date: 1_700_000_000,
    chat: { id: 42, type: "private", first_name: "Ada" },
    from,
    ...fields,
  };
}

function terminated(): Refusal {
  return new Refusal(
    409,
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
  );
}

function readText(text: unknown, mode: unknown, limit: number, emptyText: string): string {
  if (typeof text !== "string" || !text.isWellFormed()) {
    throw new Refusal(400, "Bad Request: strings must be encoded in UTF-8");
  }
  let said = text;
  if (mode === "HTML") {
    try {
      said = readTelegramHtml(text);
    } catch (error) {
      throw new Refusal(400, `Bad Request: ${(error as Error).message}`);
    }
  }
  if (said.trim() === "" && emptyText !== "") throw new Refusal(400, `Bad Request: ${emptyText}`);
  if (said.length > limit) throw new Refusal(400, "Bad Request: message is too long");
  return said;
}

function checkKeyboard(payload: Json): void {
  const markup = payload["reply_markup"];
  if (markup === undefined) return;
  const { inline_keyboard: rows } = (typeof markup === "string" ? JSON.parse(markup) : markup) as {
    inline_keyboard: { callback_data: string; text: string }[][];
  };
  for (const { callback_data: data, text } of rows.flat()) {
    if (Buffer.byteLength(data) > 64 || data === "")
      throw new Refusal(400, "Bad Request: BUTTON_DATA_INVALID");
    if (text.trim() === "")
      throw new Refusal(400, "Bad Request: inline keyboard button text is empty");
  }
}

/** JSON, or multipart/form-data (RFC 7578) as far as grammY writes it. */
function parse(body: Buffer, type: string): Json {
  if (!type.startsWith("multipart/"))
    return body.length === 0 ? {} : (JSON.parse(body.toString()) as Json);
  const boundary = `--${/boundary=(.+)$/.exec(type)?.[1] ?? ""}`;
  const fields: Json = {};
  const attached = new Map<string, { name: string; data: Uint8Array }>();
  for (const part of body.toString("latin1").split(boundary)) {
    const split = part.indexOf("\r\n\r\n");
    if (split < 0) continue;
    const head = part.slice(0, split);
    const data = Buffer.from(part.slice(split + 4).replace(/\r\n$/, ""), "latin1");
    const name = /name="([^"]*)"/.exec(head)?.[1] ?? "";
    const fileName = /filename=([^\r\n]*)/.exec(head)?.[1];
    if (fileName === undefined) fields[name] = data.toString();
    else
      attached.set(`attach://${name}`, {
        name: Buffer.from(fileName, "latin1").toString(),
        data: new Uint8Array(data),
      });
  }
  for (const [key, value] of Object.entries(fields)) {
    const file = attached.get(String(value));
    if (file !== undefined) fields[key] = file;
    if (key === "message_thread_id") fields[key] = Number(value);
  }
  return fields;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
