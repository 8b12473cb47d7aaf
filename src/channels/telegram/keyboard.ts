import type { InlineKeyboardMarkup } from "grammy/types";
import { ChannelError } from "../../contracts/errors.ts";
import type { Button } from "../../contracts/message.ts";

/** Of callback_data, see core.telegram.org/bots/api#inlinekeyboardbutton. */
const maxButtonBytes = 64;

/** Short buttons in one row, others one below the other, where their labels can be read. */
export function keyboardOf(buttons: readonly Button[] | undefined): {
  reply_markup?: InlineKeyboardMarkup;
} {
  if (buttons === undefined || buttons.length === 0) return {};
  const keys = buttons.map(({ id, label }) => {
    if (Buffer.byteLength(id) > maxButtonBytes) {
      throw new ChannelError(`A button's id may have ${maxButtonBytes} bytes in Telegram.`, {
        kind: "rejected",
        fate: "not-sent",
      });
    }
    return { text: label, callback_data: id };
  });
  const isShort = keys.length <= 3 && keys.every(({ text }) => text.length <= 14);
  return { reply_markup: { inline_keyboard: isShort ? [keys] : keys.map((key) => [key]) } };
}
