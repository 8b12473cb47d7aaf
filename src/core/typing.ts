import type { Channel } from "../contracts/channel.ts";
import type { Address } from "../contracts/message.ts";

/** An answer that comes at once needs no herald, and the model is asked first. */
const firstTypingMs = 50;
/** Typing lapses after 5 s on Telegram, so it is renewed every 4. */
const renewTypingMs = 4000;

/** Shows "typing" until the returned function is called. Best effort: it never fails a turn. */
export function keepTyping(channel: Channel | undefined, at: Address): () => void {
  if (channel?.showTyping === undefined) return () => {};
  const ended = new AbortController();
  const show = (): void => {
    channel.showTyping?.(at, ended.signal).catch(() => {}); // the answer matters, not its herald
  };
  let renewal: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    show();
    renewal = setInterval(show, renewTypingMs);
  }, firstTypingMs);
  return () => {
    clearTimeout(first);
    clearInterval(renewal);
    ended.abort();
  };
}
