import { ChannelError } from "../../contracts/errors.ts";
import type { Connection } from "./connection.ts";
import type { Self } from "./translate.ts";

/**
 * getMe. A token that is refused throws `unauthorized`, with a sentence that names the settings; everything else that
 * fails may pass. A gateway in Telegram's place may refuse in a form of its own, so then the HTTP status decides.
 */
export async function signIn(connection: Connection, signal: AbortSignal): Promise<Self> {
  try {
    const me = await connection.call(signal, "sign in", (ended) => connection.api.getMe(ended));
    if (Number.isSafeInteger(me?.id) && typeof me.username === "string") return me;
    throw new ChannelError(
      `What answered in Telegram's place does not know the bot's name: is "api_root" right?`,
      { kind: "unavailable", fate: "unknown" },
    );
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error;
    const { kind, fate } = error;
    if (kind === "rejected" || kind === "unauthorized")
      throw explain(kind === "unauthorized" ? "(401)" : error.message);
    if (kind !== "unavailable" || fate !== "unknown") throw error;
    const status = await connection.statusOf("getMe", signal);
    if (status === 401 || status === 403 || status === 404) throw explain(`(${status})`);
    throw error;
  }
}

function explain(answer: string): ChannelError {
  return new ChannelError(
    `Telegram refused the bot's "token". Get the right one from @BotFather (/mybots), or look whether "api_root" is right. ${answer}`,
    { kind: "unauthorized", fate: "not-sent" },
  );
}
