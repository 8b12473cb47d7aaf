import { ChannelError } from "../../contracts/errors.ts";
import { maxDownloadBytes } from "./attachments.ts";

export interface DownloadParts {
  /** getFile, with its failures already translated. */
  getFile(ref: string, signal: AbortSignal): Promise<{ file_path?: string; file_size?: number }>;
  failure(error: unknown): ChannelError;
  readonly apiRoot: string;
  readonly token: string;
}

/** getFile -> GET /file/bot<token>/<path>, stopped as soon as it passes `maxBytes`. */
export async function downloadFile(
  parts: DownloadParts,
  ref: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  let file;
  try {
    file = await parts.getFile(ref, signal);
  } catch (error) {
    if (error instanceof ChannelError && /too big/i.test(error.message)) throw tooBigForBots();
    throw error;
  }
  if ((file.file_size ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const response = await get(parts, pathOf(file.file_path), signal);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    throw parts.failure(error);
  }
  return Buffer.concat(chunks, size);
}

async function get(
  parts: DownloadParts,
  path: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  let response: Response;
  try {
    const url = `${parts.apiRoot}/file/bot${parts.token}/${path}`;
    // A redirect would carry the token in the URL to somebody else.
    response = await fetch(url, { signal, redirect: "error" });
  } catch (error) {
    throw parts.failure(error);
  }
  if (response.ok && response.body !== null) return response.body;
  await response.body?.cancel();
  const isLasting = response.status >= 400 && response.status < 500 && response.status !== 429;
  throw new ChannelError(`Telegram did not hand over the file (${response.status}).`, {
    kind: isLasting ? "rejected" : "unavailable",
    fate: "not-sent",
  });
}

/** A path of Telegram's file server, escaped; a local Bot API server gives a path of its own disk instead. */
function pathOf(path: string | undefined): string {
  const steps = (path ?? "").split("/");
  if (path === undefined || path.startsWith("/") || steps.includes("..") || steps.includes(".")) {
    throw new ChannelError(
      "Telegram gave no address that the file can be downloaded from. A Bot API server of your own must run without --local.",
      { kind: "rejected", fate: "not-sent" },
    );
  }
  return steps.map((step) => encodeURIComponent(step)).join("/");
}

function tooLarge(maxBytes: number): ChannelError {
  return new ChannelError(
    `The file is larger than the ${Math.floor(maxBytes / 1024)} KB that are allowed.`,
    { kind: "too-long", fate: "not-sent" },
  );
}

function tooBigForBots(): ChannelError {
  return new ChannelError(
    `The file is larger than ${maxDownloadBytes / 1024 / 1024} MB, the most that Telegram lets bots download. Send a smaller one, or a link.`,
    { kind: "too-long", fate: "not-sent" },
  );
}
