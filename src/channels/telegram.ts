import type { RawApi } from "grammy";
import type { Update } from "grammy/types";
import * as z from "zod";
import type { Channel, ConnectionState } from "../contracts/channel.ts";
import { ChannelError } from "../contracts/errors.ts";
import type { ChannelKind } from "../contracts/kind.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address, InboundMessage, OutboundMessage } from "../contracts/message.ts";
import { backoffMs } from "../lib/backoff.ts";
import { errorText } from "../lib/error-text.ts";
import { secret } from "../lib/secret.ts";
import { sleep } from "../lib/sleep.ts";
import { safeFileName } from "./file-name.ts";
import type { GrammySignal } from "./telegram/connection.ts";
import { callMs, openConnection } from "./telegram/connection.ts";
import { downloadFile } from "./telegram/download.ts";
import { refusalOf, telegramFailure } from "./telegram/failure.ts";
import { keyboardOf } from "./telegram/keyboard.ts";
import { pollUpdates } from "./telegram/poll.ts";
import type { Self } from "./telegram/translate.ts";
import { generalTopic, translateUpdate } from "./telegram/translate.ts";

const cloudRoot = "https://api.telegram.org";

const settings = z.strictObject({
  token: secret.describe("The bot's token, from @BotFather."),
  api_root: z
    .url({ protocol: /^https?$/ })
    .transform((url) => url.replace(/\/+$/, ""))
    .default(cloudRoot)
    .describe("The Bot API server, if you run your own."),
  poll_seconds: z
    .int()
    .min(1)
    .max(50)
    .default(30)
    .describe("How long Telegram holds a request for new messages open while there are none."),
});

type Settings = z.infer<typeof settings>;

/** Telegram by long polling: no open port, no public address. */
export const telegram: ChannelKind<typeof settings> = {
  name: "telegram",
  settings,
  questions: [
    {
      key: "token",
      ask: "Bot token",
      help: "In Telegram, write /newbot to @BotFather; it answers with the token.",
      secret: true,
    },
  ],
  userId: { pattern: /^[1-9]\d{0,19}$/, example: "123456789" },
  hosts: ({ api_root }) => [new URL(api_root).hostname],
  async check(given, signal) {
    const { api, call } = await openConnection(given.token.reveal(), given.api_root);
    const me = await call(signal, "sign in", (ended) => api.getMe(ended)).catch(explainSignIn);
    return `Telegram knows this bot as @${me.username}.`;
  },
  open: openTelegram,
};

const maxTextLength = 4096;
const maxCaptionLength = 1024;
/** A slow uplink may take this long for each KB of a file on top. */
const uploadMsPerKb = 50;
const signInAgain = { firstMs: 500, maxMs: 30_000 };
const updateKinds = ["message", "edited_message", "callback_query"] as const;
const maxRemembered = 1000;

async function openTelegram(given: Settings, log: Logger): Promise<Channel> {
  const token = given.token.reveal();
  const [connection, { toTelegramHtml }, { toPlainText }] = await Promise.all([
    openConnection(token, given.api_root),
    import("../lib/markdown/telegram-html.ts"),
    import("../lib/markdown/plain.ts"),
  ]);
  const { api, call, InputFile } = connection;
  const stopped = new AbortController();
  const failure = (error: unknown, doing: string): ChannelError =>
    telegramFailure(error, doing, token);
  let self: Self | undefined;
  let polling: Promise<void> | undefined;
  /** Groups that became supergroups while we ran: old id -> new id. */
  const migrated = new Map<string, string>();
  /** Groups with topics: there, typing in General needs the topic's number, which sending refuses. */
  const forums = new Set<string>();

  /** Resolves to undefined if stopped meanwhile. */
  async function signIn(state: (now: ConnectionState) => void): Promise<Self | undefined> {
    for (let attempt = 1; !stopped.signal.aborted; attempt += 1) {
      try {
        const me = await call(stopped.signal, "sign in", (ended) => api.getMe(ended));
        return { id: me.id, username: me.username };
      } catch (error) {
        if (stopped.signal.aborted) return undefined;
        const known = failure(error, "sign in");
        if (known.kind === "unauthorized" || known.kind === "rejected") explainSignIn(known);
        const waitMs = known.retryAfterMs ?? backoffMs(attempt, signInAgain);
        state({ up: false, reason: known.message });
        log.warn({ attempt, waitMs, reason: known.message }, "could not sign in, waiting");
        await sleep(waitMs, stopped.signal).catch(() => undefined); // stopped: the loop ends
      }
    }
    return undefined;
  }

  function received(update: Update): void {
    const chat = update.message?.chat;
    if (chat?.is_forum === true && forums.size < maxRemembered) forums.add(String(chat.id));
    const query = update.callback_query;
    if (query === undefined) return;
    // Stops the button's spinner; too late (a press from before a restart) is no harm.
    call(stopped.signal, "answer a button", (ended) =>
      api.answerCallbackQuery({ callback_query_id: query.id }, ended),
    ).catch((error: unknown) => {
      log.debug({ reason: failure(error, "answer a button").message }, "button not answered");
    });
  }

  const chatOf = (to: Address): string => migrated.get(to.chat) ?? to.chat;

  /** Tries again in the supergroup that the group has become; the refusal says that nothing was sent. */
  async function inChat<T>(to: Address, run: (chat: string) => Promise<T>): Promise<T> {
    try {
      return await run(chatOf(to));
    } catch (error) {
      const newId = refusalOf(error)?.migratedTo;
      if (newId === undefined) throw error;
      if (migrated.size < maxRemembered) migrated.set(to.chat, String(newId));
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
      return await run({ text: toTelegramHtml(markdown), parse_mode: "HTML" });
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
    if (toTelegramHtml(message.text).length > maxCaptionLength) {
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

  return {
    maxTextLength,
    idempotentSend: false,
    get account() {
      return self === undefined ? undefined : `@${self.username}`;
    },
    render: toTelegramHtml,

    async start(receive, state) {
      const me = await signIn(state);
      if (me === undefined) return;
      self = me;
      state({ up: true });
      polling = pollUpdates(
        {
          fetch: (request, signal) =>
            api.getUpdates(
              { ...withoutUndefined(request), allowed_updates: updateKinds },
              signal as unknown as GrammySignal,
            ),
          deleteWebhook: async (signal) => {
            const kept = { drop_pending_updates: false };
            await api.deleteWebhook(kept, signal as unknown as GrammySignal);
          },
          translate: (update: Update): InboundMessage | undefined => translateUpdate(update, me),
          receive,
          received,
          state: onChange(state),
          failure,
          log,
          pollSeconds: given.poll_seconds,
        },
        stopped.signal,
      ).catch((error: unknown) => {
        log.error({ reason: errorText(error) }, "polling ended by a mistake of our own");
        state({
          up: false,
          reason: "Receiving has stopped by a mistake in this program. Restart it.",
        });
      });
    },

    async stop() {
      stopped.abort();
      await polling;
    },

    send,
    edit,

    download: (ref, maxBytes, signal) =>
      downloadFile(
        {
          getFile: (file_id, signal) =>
            call(signal, "look up a file", (ended) => api.getFile({ file_id }, ended)),
          failure: (error) => failure(error, "download a file"),
          apiRoot: given.api_root,
          token,
        },
        ref,
        maxBytes,
        signal,
      ),

    async showTyping(at, signal) {
      const general = forums.has(at.chat) ? { message_thread_id: generalTopic } : {};
      const thread = at.thread === undefined ? general : { message_thread_id: Number(at.thread) };
      await call(signal, "show that it types", (ended) =>
        inChat(at, (chat_id) =>
          api.sendChatAction({ chat_id, ...thread, action: "typing" }, ended),
        ),
      );
    },

    async react(at, messageId, emoji, signal) {
      // Telegram lists what it takes; anything else it refuses, in a sentence.
      type Reaction = Parameters<RawApi["setMessageReaction"]>[0]["reaction"];
      const reaction = (emoji === "" ? [] : [{ type: "emoji", emoji }]) as Reaction & object;
      await call(signal, "react to a message", (ended) =>
        inChat(at, (chat_id) =>
          api.setMessageReaction({ chat_id, message_id: Number(messageId), reaction }, ended),
        ),
      );
    },

    async setCommands(commands, signal) {
      const wanted = commands.map(({ name, description }) => ({
        command: name.replace(/^\//, "").toLowerCase(),
        description: description.slice(0, 256),
      }));
      const known = await call(signal, "read its commands", (ended) =>
        api.getMyCommands({}, ended),
      ).catch(() => undefined); // unknown: they are written
      if (known !== undefined && sameCommands(known, wanted)) return;
      await call(signal, "set its commands", (ended) =>
        api.setMyCommands({ commands: wanted }, ended),
      );
    },
  };
}

function explainSignIn(error: unknown): never {
  if (!(error instanceof ChannelError)) throw error;
  if (error.kind !== "rejected" && error.kind !== "unauthorized") throw error;
  throw new ChannelError(
    `Telegram refused the bot's "token". Get the right one from @BotFather (/mybots), or look whether "api_root" is right. ${error.message}`,
    { kind: "unauthorized", fate: "not-sent" },
  );
}

function refuse(sentence: string): ChannelError {
  return new ChannelError(sentence, { kind: "rejected", fate: "not-sent" });
}

/** Telegram refuses to send to a forum's General topic by its number. */
function threadOf(to: Address): { message_thread_id?: number } {
  const thread = Number(to.thread ?? generalTopic);
  return thread === generalTopic ? {} : { message_thread_id: thread };
}

function sameCommands(
  known: readonly { command: string; description: string }[],
  wanted: readonly { command: string; description: string }[],
): boolean {
  const text = (list: typeof known): string =>
    JSON.stringify(list.map(({ command, description }) => [command, description]));
  return text(known) === text(wanted);
}

/** Tells a state only when it differs from the last one told. */
function onChange(state: (now: ConnectionState) => void): (now: ConnectionState) => void {
  let last: ConnectionState = { up: true };
  return (now) => {
    if (now.up === last.up && now.reason === last.reason) return;
    last = now;
    state(now);
  };
}

function withoutUndefined<T extends { readonly offset: number | undefined }>({
  offset,
  ...rest
}: T): Omit<T, "offset"> & { offset?: number } {
  return offset === undefined ? rest : { ...rest, offset };
}
