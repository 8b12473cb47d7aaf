import type { Message, MessageEntity, MessageOrigin, Update, User } from "grammy/types";
import type { InboundMessage, Press, Quote, Sender } from "../../contracts/message.ts";
import { attachmentsOf } from "./attachments.ts";

/** Who the bot is, from getMe. */
export interface Self {
  readonly id: number;
  readonly username: string;
}

type CallbackQuery = NonNullable<Update["callback_query"]>;

/**
 * update -> message, or undefined for what says nothing to us (members joining, pinned messages, channel posts).
 * The channel of the address is "telegram"; whoever runs several bots puts the configured name there.
 */
export function translateUpdate(update: Update, self: Self): InboundMessage | undefined {
  if (update.message !== undefined) return translateMessage(update.message, self);
  if (update.edited_message !== undefined) return translateMessage(update.edited_message, self);
  if (update.callback_query !== undefined) return translatePress(update.callback_query);
  return undefined;
}

function translateMessage(message: Message, self: Self): InboundMessage | undefined {
  const sender = senderOf(message);
  const said = message.text ?? message.caption ?? describe(message);
  const attachments = attachmentsOf(message);
  if (sender === undefined || (said === undefined && attachments.length === 0)) return undefined;
  const entities = message.entities ?? message.caption_entities ?? [];
  const isPrivate = message.chat.type === "private";
  const edited = message.edit_date;
  return {
    id: String(message.message_id),
    version: edited === undefined ? 0 : edited * 1000,
    address: addressOf(message),
    sender,
    sentAt: new Date(message.date * 1000),
    text: withoutOwnName(said ?? "", entities, self),
    attachments,
    quoted: quoteOf(message),
    forwarded: message.forward_origin !== undefined,
    addressedToBot: isPrivate || isAddressed(message, said ?? "", entities, self),
    isPrivate,
  };
}

function translatePress(query: CallbackQuery): InboundMessage | undefined {
  const { message, data } = query;
  // Without a message it was sent through inline mode, without data it is a game: neither is ours.
  if (message === undefined || data === undefined) return undefined;
  const press: Press = { button: data, messageId: String(message.message_id) };
  return {
    id: `press-${query.id}`,
    version: 0,
    address: addressOf(message),
    sender: { id: String(query.from.id), name: nameOf(query.from) },
    sentAt: new Date(),
    text: "",
    attachments: [],
    forwarded: false,
    press,
    addressedToBot: true,
    isPrivate: message.chat.type === "private",
  };
}

/**
 * A topic has a thread of its own. In the General topic, and in a group without topics, `message_thread_id` only
 * says which message is answered, and Telegram refuses to send to General by its number.
 */
function addressOf(message: {
  readonly chat: Message["chat"];
  readonly message_thread_id?: number;
  readonly is_topic_message?: boolean;
}): InboundMessage["address"] {
  const address = { channel: "telegram", chat: String(message.chat.id) };
  const topic = message.is_topic_message === true ? message.message_thread_id : undefined;
  return topic === undefined || topic === generalTopic
    ? address
    : { ...address, thread: String(topic) };
}

/** The number of a forum's General topic. */
export const generalTopic = 1;

/**
 * A message in the name of a channel or of the group itself (an anonymous administrator) has that chat's id, a
 * negative number: whoever admitted people did not admit it. Its `from` is a stand-in that everybody shares.
 */
function senderOf(message: Message): Sender | undefined {
  const chat = message.sender_chat;
  if (chat !== undefined) return { id: String(chat.id), name: titleOf(chat) };
  if (message.from === undefined) return undefined;
  return { id: String(message.from.id), name: nameOf(message.from) };
}

function nameOf(user: User): string {
  return [user.first_name, user.last_name].filter((part) => part !== undefined).join(" ");
}

function titleOf(chat: Message["chat"]): string {
  return chat.title ?? chat.first_name ?? String(chat.id);
}

function quoteOf(message: Message): Quote | undefined {
  const replied = message.reply_to_message;
  const external = message.external_reply;
  if (replied?.forum_topic_created !== undefined) return undefined; // how topics mark their messages
  const said =
    replied?.text ?? replied?.caption ?? (replied && (describe(replied) ?? kindOf(replied)));
  const text = message.quote?.text ?? said ?? (external && kindOf(external));
  if (text === undefined || text === "") return undefined;
  if (replied !== undefined) return { sender: senderOf(replied)?.name ?? "", text };
  return { sender: external === undefined ? "" : originName(external.origin), text };
}

function originName(origin: MessageOrigin): string {
  switch (origin.type) {
    case "user":
      return nameOf(origin.sender_user);
    case "hidden_user":
      return origin.sender_user_name;
    case "chat":
      return titleOf(origin.sender_chat);
    default:
      return titleOf(origin.chat);
  }
}

/** What a quoted message without words was. */
function kindOf(message: object): string | undefined {
  const kinds = [
    "photo",
    "document",
    "video",
    "voice",
    "audio",
    "animation",
    "video_note",
    "sticker",
  ];
  const kind = kinds.find((name) => name in message);
  return kind === undefined ? undefined : `[${kind.replace("_", " ")}]`;
}

/** Messages that are neither words nor files, in words; undefined for service messages. */
function describe(message: Message): string | undefined {
  if (message.venue !== undefined) {
    const { title, address, location } = message.venue;
    return `[place: ${title}, ${address} (${location.latitude}, ${location.longitude})]`;
  }
  if (message.location !== undefined) {
    return `[location: ${message.location.latitude}, ${message.location.longitude}]`;
  }
  if (message.contact !== undefined) {
    const { first_name: first, last_name: last = "", phone_number: phone } = message.contact;
    return `[contact: ${`${first} ${last}`.trim()}, ${phone}]`;
  }
  if (message.poll !== undefined) {
    const options = message.poll.options.map((option) => option.text).join(" / ");
    return `[poll: ${message.poll.question} ${options}]`;
  }
  if (message.dice !== undefined) return `[${message.dice.emoji} ${message.dice.value}]`;
  if (message.sticker !== undefined) return `[sticker ${message.sticker.emoji ?? ""}]`;
  if (message.story !== undefined) return "[a story]";
  return undefined;
}

function isAddressed(
  message: Message,
  text: string,
  entities: readonly MessageEntity[],
  self: Self,
): boolean {
  const command = commandTarget(text, entities);
  if (command !== undefined) return isOwnName(command, self);
  const isMentioned = entities.some((entity) =>
    entity.type === "text_mention"
      ? entity.user.id === self.id
      : entity.type === "mention" && isOwnName(wordsAt(text, entity).slice(1), self),
  );
  const replied = message.reply_to_message;
  const isReply = replied?.from?.id === self.id && replied.forum_topic_created === undefined;
  return isMentioned || isReply;
}

/** The bot that a leading command names: "/stop@mybot" -> "mybot". */
function commandTarget(text: string, entities: readonly MessageEntity[]): string | undefined {
  const command = entities.find((entity) => entity.type === "bot_command" && entity.offset === 0);
  return command === undefined ? undefined : wordsAt(text, command).split("@")[1];
}

function isOwnName(name: string, self: Self): boolean {
  return name.toLowerCase() === self.username.toLowerCase();
}

/** Entities count in UTF-16 units, as JavaScript does. */
function wordsAt(text: string, entity: MessageEntity): string {
  return text.slice(entity.offset, entity.offset + entity.length);
}

/** "/stop@mybot now" -> "/stop now", "@mybot, hello" -> "hello"; a bare mention stays, or nothing would be left. */
function withoutOwnName(text: string, entities: readonly MessageEntity[], self: Self): string {
  const first = entities.find((entity) => entity.offset === 0);
  if (first === undefined) return text;
  const words = wordsAt(text, first);
  if (first.type === "bot_command") {
    const [command = "", target] = words.split("@");
    return target !== undefined && isOwnName(target, self)
      ? command + text.slice(first.length)
      : text;
  }
  if (first.type !== "mention" || !isOwnName(words.slice(1), self)) return text;
  const rest = text.slice(first.length).replace(/^\s*[,:]?\s*/, "");
  return rest === "" ? text : rest;
}
