import type { Channel } from "../contracts/channel.ts";
import type { Attachment, InboundMessage } from "../contracts/message.ts";
import type { ImageContent } from "../contracts/model.ts";
import type { Sandbox } from "../contracts/sandbox.ts";
import { errorText } from "../lib/error-text.ts";

const maxImageBytes = 5_000_000;
const maxFileBytes = 20_000_000;
const downloadTimeoutMs = 60_000;
const imageTypes = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

export interface Fetched {
  readonly images: readonly ImageContent[];
  /** A line for the model about each file: where it lies, or why it could not be had. */
  readonly lines: readonly string[];
}

/** Pictures go to the model, other files into the conversation's space. Only for admitted senders. */
export async function fetchAttachments(
  message: InboundMessage,
  channel: Channel,
  sandbox: Sandbox,
  space: string,
  signal: AbortSignal,
): Promise<Fetched> {
  const images: ImageContent[] = [];
  const lines: string[] = [];
  for (const file of message.attachments) {
    const isImage = imageTypes.has(file.mediaType);
    const limited = AbortSignal.any([signal, AbortSignal.timeout(downloadTimeoutMs)]);
    try {
      const data = await download(channel, file, isImage ? maxImageBytes : maxFileBytes, limited);
      if (isImage) {
        images.push({ type: "image", mediaType: file.mediaType, data });
        lines.push(`[Picture: ${file.name}]`);
      } else {
        const path = await sandbox.saveUpload(space, file.name, data, limited);
        lines.push(`[File: ${path}, ${file.mediaType}, ${data.length} bytes]`);
      }
    } catch (error) {
      signal.throwIfAborted();
      lines.push(`[File ${file.name} could not be taken in: ${errorText(error)}]`);
    }
  }
  return { images, lines };
}

async function download(
  channel: Channel,
  file: Attachment,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (channel.download === undefined) throw new Error("this channel cannot fetch files.");
  if (file.size > maxBytes) {
    throw new Error(`it has ${file.size} bytes, and ${maxBytes} is the limit.`);
  }
  return await channel.download(file.ref, maxBytes, signal);
}
