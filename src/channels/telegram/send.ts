import { ChannelError } from "../../contracts/errors.ts";
import type { Logger } from "../../contracts/logger.ts";
import type { Address, OutboundMessage } from "../../contracts/message.ts";
import { toPlainText } from "../../lib/markdown/plain.ts";
import { toTelegramHtml } from "../../lib/markdown/telegram-html.ts";
import { safeFileName } from "../file-name.ts";
import type { Connection, GrammySignal } from "./connection.ts";
import { callMs } from "./connection.ts";
import { refusalOf } from "./failure.ts";
import { keyboardOf } from "./keyboard.ts";
import { generalTopic } from "./translate.ts";

const maxCaptionLength = 1024;
/** A slow uplink may take this long for each KB of a file on top. */
const uploadMsPerKb = 50;
const maxMigrated = 1000;

export interface Sender {
  readonly render: (markdown: string) => string;
  readonly send: (
    to: Address,
    message: OutboundMessage,
    key: string,
    signal: AbortSignal,
  ) => Promise<string>;
  readonly edit: (
    at: Address,
    messageId: string,
    message: OutboundMessage,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Runs a call with the chat's id of today. */
  readonly inChat: <T>(to: Address, run: (chat: string) => Promise<T>) => Promise<T>;
}

/** Delivery measures what is sent a moment later: the last few renderings are kept. */
const keptRenderings = 4;

/** Markdown -> HTML -> sendMessage, or sendDocument where there is a file: one call, one message. */
export function createSender({ api, call, InputFile }: Connection, log: Logger): Sender {
  const renderings = new Map<string, string>();
  const toHtml = (markdown: string): string => {
    const known = renderings.get(markdown);
    if (known !== undefined) return known;
    const [oldest] = renderings.keys();
    if (renderings.size >= keptRenderings && oldest !== undefined) renderings.delete(oldest);
    const html = toTelegramHtml(markdown);
    renderings.set(markdown, html);
    return html;
  };
  /** Groups that became supergroups while we ran: old id -> new id. */
  const migrated = new Map<string, string>();

  const chatOf = (to: Address): string => migrated.get(to.chat) ?? to.chat;

  /** Tries again in the supergroup that the group has become; the refusal says that nothing was sent. */
  async function inChat<T>(to: Address, run: (chat: string) => Promise<T>): Promise<T> {
    try {
      return await run(chatOf(to));
    } catch (error) {
      const newId = refusalOf(error)?.migratedTo;
      if (newId === undefined) throw error;
      if (migrated.size < maxMigrated) migrated.set(to.chat, String(newId));
      log.info({ chat: to.chat, newChat: newId }, "the group has become a supergroup");
      return await run(String(newId));
    }
  }

  /** As HTML, and as plain text if Telegram cannot read that: the refusal says that nothing was sent. */
  async function readable<T>(
    markdown: string,
    run: (said: { text: string; parse_mode?: "HTML" }) => Promise<T>,
  ): Promise<T> {
    try {
      return await run({ text: toHtml(markdown), parse_mode: "HTML" });
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal?.code !== 400 || !/can't parse entities/i.test(refusal.description)) throw error;
      log.warn({ length: markdown.length }, "Telegram could not read our HTML; sent as plain text");
      return await run({ text: toPlainText(markdown) });
    }
  }

  async function send(
    to: Address,
    message: OutboundMessage,
    _key: string,
    signal: AbortSignal,
  ): Promise<string> {
    const [file, ...more] = message.files ?? [];
    if (more.length > 0) throw refuse("A Telegram message carries one file at most.");
    const where = { ...threadOf(to), ...keyboardOf(message.buttons) };
    if (file === undefined) {
      if (message.text.trim() === "") throw refuse("A message without text or file says nothing.");
      const sent = await call(signal, "send a message", (ended) =>
        inChat(to, (chat_id) =>
          readable(message.text, (said) =>
            api.sendMessage(
              { chat_id, ...said, ...where, link_preview_options: { is_disabled: true } },
              ended,
            ),
          ),
        ),
      );
      return String(sent.message_id);
    }
    if (toHtml(message.text).length > maxCaptionLength) {
      throw new ChannelError(
        `The text beside a file may have ${maxCaptionLength} characters in Telegram: send it as a message of its own.`,
        { kind: "too-long", fate: "not-sent" },
      );
    }
    const limitMs = callMs + Math.ceil(file.data.length / 1024) * uploadMsPerKb;
    const upload = (ended: GrammySignal) =>
      inChat(to, (chat_id) =>
        readable(message.text, ({ text: caption, ...mode }) => {
          const document = new InputFile(file.data, safeFileName(file.name, "file"));
          const said = caption === "" ? {} : { caption, ...mode };
          return api.sendDocument({ chat_id, document, ...said, ...where }, ended);
        }),
      );
    const sent = await call(signal, "send a file", upload, limitMs);
    return String(sent.message_id);
  }

  async function edit(
    at: Address,
    messageId: string,
    message: OutboundMessage,
    signal: AbortSignal,
  ): Promise<void> {
    const reply_markup = keyboardOf(message.buttons);
    await call(signal, "edit a message", (ended) =>
      inChat(at, (chat_id) =>
        readable(message.text, async ({ text, ...mode }) => {
          const what = { chat_id, message_id: Number(messageId), ...mode, ...reply_markup };
          try {
            const link_preview_options = { is_disabled: true };
            await api.editMessageText({ ...what, text, link_preview_options }, ended);
          } catch (error) {
            const said = refusalOf(error)?.description ?? "";
            if (/message is not modified/i.test(said)) return;
            if (!/no text in the message/i.test(said)) throw error;
            await api.editMessageCaption({ ...what, caption: text }, ended);
          }
        }),
      ),
    );
  }

  return { render: toHtml, send, edit, inChat };
}

function refuse(sentence: string): ChannelError {
  return new ChannelError(sentence, { kind: "rejected", fate: "not-sent" });
}

/** Telegram refuses to send to a forum's General topic by its number. */
function threadOf(to: Address): { message_thread_id?: number } {
  const thread = Number(to.thread ?? generalTopic);
  return thread === generalTopic ? {} : { message_thread_id: thread };
}
