import type { IncomingMessage } from "node:http";
import type { MessageEntity, Update, User } from "grammy/types";
import { readBody } from "./http.ts";
import type { BotMessage } from "./telegram.ts";

/** The parameters of a Bot API call, by name. */
export type Params = Record<string, unknown>;

/** A parameter as text; "" where it is missing. */
export function field(params: Params, name: string): string {
  const value = params[name];
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : "";
}

/** Telegram marks commands and mentions; offsets are UTF-16 units. */
export function entitiesOf(text: string): MessageEntity[] {
  const command = /^\/[a-z0-9_]+(@\w+)?/i.exec(text);
  const mentions = [...text.matchAll(/(?<!\w)@\w{4,}/g)].map(
    (match) => ({ type: "mention", offset: match.index, length: match[0].length }) as const,
  );
  if (command === null) return mentions;
  return [{ type: "bot_command", offset: 0, length: command[0].length }, ...mentions];
}

/** Telegram's ids: people are positive, groups negative, supergroups below -10^12. */
export function chatOf(id: number) {
  if (id > 0) return { id, type: "private", first_name: `Person ${id}` } as const;
  return { id, type: "supergroup", title: `Group ${id}` } as const;
}

export function userOf(id: number, name = `Person ${id}`): User {
  return { id, is_bot: false, first_name: name, language_code: "en" };
}

export function buttonsOf(params: Params): BotMessage["buttons"] {
  const markup = params["reply_markup"] as
    | { readonly inline_keyboard?: readonly { text: string; callback_data?: string }[][] }
    | undefined;
  const rows = markup?.inline_keyboard ?? [];
  return rows.flat().map(({ text, callback_data }) => ({ label: text, data: callback_data ?? "" }));
}

export function textOf(update: Update): string {
  const message = update.message ?? update.edited_message;
  return message?.text ?? message?.caption ?? update.callback_query?.data ?? "";
}

/** Bot API methods take JSON, urlencoded forms, multipart forms, or a query string. */
export async function readParams(request: IncomingMessage): Promise<Params> {
  const query = new URL(request.url ?? "", "http://loopback").searchParams;
  const params: Params = Object.fromEntries(query);
  const body = await readBody(request);
  const type = request.headers["content-type"] ?? "";
  if (body.length === 0) return params;
  if (type.startsWith("application/json")) {
    return { ...params, ...(JSON.parse(body.toString()) as Params) };
  }
  const form = await new Response(new Uint8Array(body), {
    headers: { "content-type": type },
  }).formData();
  for (const [key, value] of form) params[key] = value instanceof File ? value : parseField(value);
  return params;
}

/** In a form, objects are JSON-serialised. */
function parseField(value: string): unknown {
  if (!/^[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value; // a text that merely starts like JSON
  }
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
