import type { RawApi } from "grammy";
import type { Update } from "grammy/types";
import * as z from "zod";
import type { Channel, ConnectionState } from "../contracts/channel.ts";
import { ChannelError } from "../contracts/errors.ts";
import type { ChannelKind } from "../contracts/kind.ts";
import type { Logger } from "../contracts/logger.ts";
import type { InboundMessage } from "../contracts/message.ts";
import { backoffMs } from "../lib/backoff.ts";
import { errorText } from "../lib/error-text.ts";
import { secret } from "../lib/secret.ts";
import { sleep } from "../lib/sleep.ts";
import type { GrammySignal } from "./telegram/connection.ts";
import { openConnection } from "./telegram/connection.ts";
import { downloadFile } from "./telegram/download.ts";
import { telegramFailure } from "./telegram/failure.ts";
import { pollUpdates } from "./telegram/poll.ts";
import type { Self } from "./telegram/translate.ts";
import { signIn } from "./telegram/sign-in.ts";
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
    const connection = await openConnection(given.token.reveal(), given.api_root);
    const me = await signIn(connection, signal);
    return `Telegram knows this bot as @${me.username}.`;
  },
  open: openTelegram,
};

const maxTextLength = 4096;
const signInAgain = { firstMs: 500, maxMs: 30_000 };
const updateKinds = ["message", "edited_message", "callback_query"] as const;
const maxRemembered = 1000;

async function openTelegram(given: Settings, log: Logger): Promise<Channel> {
  const token = given.token.reveal();
  const [connection, { createSender }] = await Promise.all([
    openConnection(token, given.api_root),
    import("./telegram/send.ts"), // with the Markdown parser, which only this channel may need
  ]);
  const { api, call } = connection;
  const { render, send, edit, inChat } = createSender(connection, log);
  const stopped = new AbortController();
  const failure = (error: unknown, doing: string): ChannelError =>
    telegramFailure(error, doing, token);
  let self: Self | undefined;
  let polling: Promise<void> | undefined;
  /** Groups with topics: there, typing in General needs the topic's number, which sending refuses. */
  const forums = new Set<string>();

  /** Tries until it is known or refused; undefined if stopped meanwhile. */
  async function connect(state: (now: ConnectionState) => void): Promise<Self | undefined> {
    for (let attempt = 1; !stopped.signal.aborted; attempt += 1) {
      try {
        return await signIn(connection, stopped.signal);
      } catch (error) {
        if (stopped.signal.aborted) return undefined;
        const known = failure(error, "sign in");
        if (known.kind === "unauthorized") throw known;
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

  return {
    maxTextLength,
    idempotentSend: false,
    get account() {
      return self === undefined ? undefined : `@${self.username}`;
    },
    render,

    async start(receive, state) {
      const me = await connect(state);
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
