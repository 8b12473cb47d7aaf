import type { Channel } from "../contracts/channel.ts";
import type { Address } from "../contracts/message.ts";

/** Typing lapses after 5 s on Telegram, so it is renewed every 4. */
const renewTypingMs = 4000;

/** Shows "typing" until the returned function is called. Best effort: it never fails a turn. */
export function keepTyping(channel: Channel | undefined, at: Address): () => void {
  if (channel?.showTyping === undefined) return () => {};
  const ended = new AbortController();
  const show = (): void => {
    channel.showTyping?.(at, ended.signal).catch(() => {}); // the answer matters, not its herald
  };
  show();
  const timer = setInterval(show, renewTypingMs);
  return () => {
    clearInterval(timer);
    ended.abort();
  };
}
