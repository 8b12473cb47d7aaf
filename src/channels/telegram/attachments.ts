import type { Message, PhotoSize } from "grammy/types";
import type { Attachment } from "../../contracts/message.ts";
import { safeFileName, safeMediaType } from "../file-name.ts";

/** What bots can download from Telegram's own server (core.telegram.org/bots/api#getfile). */
export const maxDownloadBytes = 20 * 1024 * 1024;

interface TelegramFile {
  readonly file_id: string;
  readonly file_size?: number;
  readonly file_name?: string;
  readonly mime_type?: string;
}

/** The files of a message: at most one, since an album comes as one message each. */
export function attachmentsOf(message: Message): Attachment[] {
  const { message_id: id } = message;
  // An animation comes with a `document` too, for old clients.
  if (message.animation) return [attachment(message.animation, `animation-${id}.mp4`, "video/mp4")];
  if (message.document) return [attachment(message.document, `document-${id}`, undefined)];
  if (message.audio) return [attachment(message.audio, `audio-${id}.mp3`, "audio/mpeg")];
  if (message.voice) return [attachment(message.voice, `voice-${id}.ogg`, "audio/ogg")];
  if (message.video) return [attachment(message.video, `video-${id}.mp4`, "video/mp4")];
  if (message.video_note) return [attachment(message.video_note, `video-${id}.mp4`, "video/mp4")];
  const photo = largestPhoto(message.photo ?? []);
  if (photo !== undefined) return [attachment(photo, `photo-${id}.jpg`, "image/jpeg")];
  const { sticker } = message;
  if (sticker !== undefined && !sticker.is_animated && !sticker.is_video) {
    return [attachment(sticker, `sticker-${id}.webp`, "image/webp")];
  }
  return [];
}

function attachment(
  file: TelegramFile,
  fallbackName: string,
  fallbackType: string | undefined,
): Attachment {
  return {
    name: safeFileName(file.file_name, fallbackName),
    mediaType: safeMediaType(file.mime_type ?? fallbackType),
    size: file.file_size ?? 0,
    ref: file.file_id,
  };
}

/** The largest that can be downloaded. */
function largestPhoto(sizes: readonly PhotoSize[]): PhotoSize | undefined {
  return sizes
    .filter((size) => (size.file_size ?? 0) <= maxDownloadBytes)
    .reduce<PhotoSize | undefined>(
      (best, size) =>
        best === undefined || size.width * size.height > best.width * best.height ? size : best,
      undefined,
    );
}
