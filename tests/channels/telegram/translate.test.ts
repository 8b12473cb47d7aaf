import { describe, expect, test } from "vitest";
import { translateUpdate } from "../../../src/channels/telegram/translate.ts";
import { userMessage } from "../../support/telegram-standin.ts";

const self = { id: 777, username: "Barnacle_Bot" };
const group = { id: -1001, type: "supergroup", title: "Crew" };
const botMessage = {
  message_id: 3,
  date: 1,
  chat: group,
  from: { id: 777, is_bot: true, first_name: "Barnacle" },
  text: "I said this",
};

type Fields = Record<string, unknown>;

const translate = (update: Fields) => translateUpdate({ update_id: 1, ...update }, self);
const received = (fields: Fields) => translate({ message: userMessage(fields) });
/** A message with an entity over `words`, wherever they stand. */
const marked = (text: string, type: string, words: string, more: Fields = {}) =>
  received({
    chat: group,
    text,
    entities: [{ type, offset: text.indexOf(words), length: words.length, ...more }],
  });

const topic = (message_thread_id: number) =>
  received({ chat: group, text: "a", is_topic_message: true, message_thread_id })?.address;

describe("where a message was said", () => {
  test("a group without topics is one place, also for replies that carry a thread", () => {
    expect(received({ chat: group, text: "a", message_thread_id: 99 })?.address).toEqual({
      channel: "telegram",
      chat: "-1001",
    });
  });
  test("each topic is a place of its own, and General is the group", () => {
    expect(topic(12)).toEqual({ channel: "telegram", chat: "-1001", thread: "12" });
    expect(topic(1)).toEqual({ channel: "telegram", chat: "-1001" });
  });
});

describe("who said it", () => {
  test("names never stand for ids", () => {
    const from = { id: 666, is_bot: false, first_name: "42", username: "owner" };
    expect(received({ from, text: "a" })?.sender).toEqual({ id: "666", name: "42" });
  });
  test.each([
    ["an anonymous administrator", group],
    ["a channel", { id: -100777, type: "channel", title: "News" }],
  ])("%s has the chat's id, which no person has", (_, sender_chat) => {
    const from = { id: 1_087_968_824, is_bot: true, first_name: "Group" };
    expect(received({ chat: group, from, sender_chat, text: "a" })?.sender).toEqual({
      id: String(sender_chat.id),
      name: sender_chat.title,
    });
  });
  test("a message of nobody, and a channel's post, are nothing for us", () => {
    expect(received({ chat: group, from: undefined, text: "a" })).toBeUndefined();
    expect(translate({ channel_post: userMessage({ text: "a" }) })).toBeUndefined();
  });
});

describe("whether the bot is addressed in a group", () => {
  test.each([
    ["nobody named", received({ chat: group, text: "hello all" }), false],
    ["mentioned", marked("hey @barnacle_bot!", "mention", "@barnacle_bot"), true],
    [
      "mentioned after emoji of two units",
      marked("👍👍 @Barnacle_Bot", "mention", "@Barnacle_Bot"),
      true,
    ],
    ["another bot mentioned", marked("hey @Barnacle_Bot2", "mention", "@Barnacle_Bot2"), false],
    ["its name without a mention", received({ chat: group, text: "mail@Barnacle_Bot" }), false],
    ["mentioned by id", marked("hey you", "text_mention", "you", { user: { id: 777 } }), true],
    [
      "someone else mentioned by id",
      marked("hey you", "text_mention", "you", { user: { id: 42 } }),
      false,
    ],
    ["its command", marked("/stop@Barnacle_Bot", "bot_command", "/stop@Barnacle_Bot"), true],
    ["another bot's command", marked("/stop@other_bot", "bot_command", "/stop@other_bot"), false],
    [
      "another bot's command as a reply",
      received({
        chat: group,
        text: "/stop@other_bot",
        entities: [{ type: "bot_command", offset: 0, length: 15 }],
        reply_to_message: botMessage,
      }),
      false,
    ],
    ["a bare command", marked("/stop", "bot_command", "/stop"), false],
    [
      "a reply to the bot",
      received({ chat: group, text: "yes", reply_to_message: botMessage }),
      true,
    ],
    [
      "a reply to another",
      received({ chat: group, text: "yes", reply_to_message: userMessage({ text: "?" }) }),
      false,
    ],
    [
      "in a topic that the bot opened",
      received({
        chat: group,
        text: "yes",
        reply_to_message: { ...botMessage, text: undefined, forum_topic_created: { name: "T" } },
      }),
      false,
    ],
    [
      "in a caption",
      received({
        chat: group,
        photo: [{ file_id: "p", width: 1, height: 1 }],
        caption: "@Barnacle_Bot look",
        caption_entities: [{ type: "mention", offset: 0, length: 13 }],
      }),
      true,
    ],
    ["in private", received({ text: "hello" }), true],
  ])("%s", (_, message, isAddressed) => {
    expect(message?.addressedToBot).toBe(isAddressed);
  });
});

describe("the text", () => {
  test.each([
    ["/new@Barnacle_Bot please", "bot_command", "/new@Barnacle_Bot", "/new please"],
    ["/new@other_bot please", "bot_command", "/new@other_bot", "/new@other_bot please"],
    ["@Barnacle_Bot, what now?", "mention", "@Barnacle_Bot", "what now?"],
    ["@Barnacle_Bot", "mention", "@Barnacle_Bot", "@Barnacle_Bot"],
    ["what, @Barnacle_Bot?", "mention", "@Barnacle_Bot", "what, @Barnacle_Bot?"],
  ])("%j", (text, type, words, expected) => {
    expect(marked(text, type, words)?.text).toBe(expected);
  });

  test.each([
    [{ location: { latitude: 52.2, longitude: 21 } }, "[location: 52.2, 21]"],
    [{ contact: { first_name: "Bo", phone_number: "+1" } }, "[contact: Bo, +1]"],
    [{ dice: { emoji: "🎲", value: 6 } }, "[🎲 6]"],
    [
      { poll: { question: "Tea?", options: [{ text: "yes" }, { text: "no" }] } },
      "[poll: Tea? yes / no]",
    ],
  ])("%j says something too", (fields, expected) => {
    expect(received(fields)?.text).toBe(expected);
  });

  test("members joining are nothing for us", () => {
    expect(received({ chat: group, new_chat_members: [{ id: 1 }] })).toBeUndefined();
  });
});

test("an edit is a version of its own of the same message", () => {
  const edited = translate({
    edited_message: userMessage({ message_id: 5, text: "b", edit_date: 1_700_000_009 }),
  });
  expect(edited).toMatchObject({ id: "5", version: 1_700_000_009_000, text: "b" });
});

test("forwarded words are marked", () => {
  const forward_origin = { type: "hidden_user", sender_user_name: "X", date: 1 };
  expect(received({ text: "a", forward_origin })?.forwarded).toBe(true);
});

describe("what a message answers", () => {
  const other = userMessage({
    text: "the whole text",
    from: { id: 9, is_bot: false, first_name: "Bo" },
  });
  test.each([
    ["the whole message", { reply_to_message: other }, { sender: "Bo", text: "the whole text" }],
    [
      "the part that was quoted",
      { reply_to_message: other, quote: { text: "whole", position: 4 } },
      { sender: "Bo", text: "whole" },
    ],
    [
      "a photo",
      { reply_to_message: { ...other, text: undefined, photo: [] } },
      { sender: "Bo", text: "[photo]" },
    ],
    [
      "a message elsewhere",
      {
        external_reply: { origin: { type: "channel", chat: { id: -1, title: "News" } } },
        quote: { text: "x" },
      },
      { sender: "News", text: "x" },
    ],
    ["a topic's beginning", { reply_to_message: { ...other, forum_topic_created: {} } }, undefined],
    ["nothing", {}, undefined],
  ])("%s", (_, fields, quoted) => {
    expect(received({ text: "a", ...fields })?.quoted).toEqual(quoted);
  });
});

describe("files", () => {
  test("of a photo the largest size that can be downloaded", () => {
    const photo = [
      { file_id: "small", width: 90, height: 90, file_size: 1000 },
      { file_id: "large", width: 1280, height: 1280, file_size: 90_000 },
      { file_id: "huge", width: 9000, height: 9000, file_size: 30_000_000 },
    ];
    const message = received({ message_id: 8, photo, caption: "look" });
    expect(message?.text).toBe("look");
    expect(message?.attachments).toEqual([
      { name: "photo-8.jpg", mediaType: "image/jpeg", size: 90_000, ref: "large" },
    ]);
  });

  test.each([
    ["../../etc/passwd", "_.._etc_passwd"],
    ["..\\..\\boot.ini", "_.._boot.ini"],
    ["a\u0000b\n.txt", "ab.txt"],
    ["gnp\u202Etxt.exe", "gnptxt.exe"],
    ["", "document-8"],
    ["...", "document-8"],
    ["-rf", "rf"],
    [".bashrc", "bashrc"],
    ["résumé final.pdf", "résumé final.pdf"],
    ["日本.txt", "日本.txt"],
    [`${"a".repeat(500)}.pdf`, `${"a".repeat(96)}.pdf`],
    [`${"👍".repeat(500)}.pdf`, `${"👍".repeat(48)}.pdf`],
    [undefined, "document-8"],
  ])("a document called %j becomes %j", (file_name, name) => {
    const document = { file_id: "d", file_name, mime_type: "Text/Plain; evil" };
    expect(received({ message_id: 8, document })?.attachments[0]).toMatchObject({
      name,
      mediaType: "application/octet-stream",
    });
  });

  test.each([
    ["voice", { file_id: "v", mime_type: "audio/ogg", file_size: 5 }, "voice-8.ogg"],
    [
      "audio",
      { file_id: "v", file_name: "song.mp3", mime_type: "audio/ogg", file_size: 5 },
      "song.mp3",
    ],
    ["video_note", { file_id: "v", mime_type: "audio/ogg", file_size: 5 }, "video-8.mp4"],
  ])("%s", (kind, file, name) => {
    expect(received({ message_id: 8, [kind]: file })?.attachments).toEqual([
      { name, mediaType: "audio/ogg", size: 5, ref: "v" },
    ]);
  });
});

describe("presses", () => {
  const query = { id: "q", from: { id: 42, first_name: "Ada" }, chat_instance: "c" };
  test("come from whoever pressed, where the message stands", () => {
    const message = { ...botMessage, message_thread_id: 4, is_topic_message: true };
    expect(translate({ callback_query: { ...query, message, data: "yes" } })).toMatchObject({
      id: "press-q",
      sender: { id: "42" },
      address: { chat: "-1001", thread: "4" },
      press: { button: "yes", messageId: "3" },
    });
  });
  test("without a message or without data are nothing for us", () => {
    expect(translate({ callback_query: { ...query, data: "yes" } })).toBeUndefined();
    expect(translate({ callback_query: { ...query, message: botMessage } })).toBeUndefined();
  });
});
