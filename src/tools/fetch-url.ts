import * as z from "zod";
import { ToolError } from "../contracts/errors.ts";
import type { Tool, ToolContext } from "../contracts/tool.ts";
import type { PublicFetchOptions, PublicResponse } from "../lib/public-fetch.ts";
import { defineTool } from "../lib/define-tool.ts";
import { toMarkdown } from "./html/to-markdown.ts";

export interface FetchUrlDeps extends Pick<
  PublicFetchOptions,
  "maxBytes" | "timeoutMs" | "isAllowedAddress" | "lookup"
> {
  /** Hosts of the configured channels and providers. */
  readonly deniedHosts: readonly string[];
}

const standardChars = 12_000;
const maxChars = 50_000;

/** `fetch_url`: a page of the public web as text. What it brings is somebody else's words, so its origin is untrusted. */
export function createFetchUrl(deps: FetchUrlDeps): Tool {
  return defineTool({
    name: "fetch_url",
    description: "Read a public web page or text file; HTML comes as Markdown.",
    effect: "fetches",
    input: z.strictObject({
      url: z.string().describe("http or https"),
      max_chars: z.int().min(100).max(maxChars).default(standardChars),
      start: z.int().min(0).default(0).describe("Character to read on from"),
    }),
    async run({ url, max_chars, start }, { signal, log }) {
      const page = await get(url, deps, signal);
      log.info(
        { host: new URL(page.url).host, status: page.status, bytes: page.body.length },
        "page fetched",
      );
      const { title, text } = await textOf(page, { signal, log });
      const head = [`URL: ${page.url}`, ...(title === "" ? [] : [`Title: ${title}`])].join("\n");
      const body = excerpt(text, start, max_chars, page.cutOff ? deps.maxBytes : undefined);
      return { content: [{ type: "text", text: `${head}\n\n${body}` }], origin: "untrusted" };
    },
  });
}

async function get(url: string, deps: FetchUrlDeps, signal: AbortSignal): Promise<PublicResponse> {
  // Not at the start: the HTTP client alone weighs more than all of the gateway's own code.
  const { PublicFetchError, publicFetch } = await import("../lib/public-fetch.ts");
  let page: PublicResponse;
  try {
    page = await publicFetch(url, {
      ...deps,
      signal,
      accept: "text/markdown, text/html;q=0.9, text/*;q=0.8, application/json;q=0.8, */*;q=0.1",
    });
  } catch (error) {
    if (error instanceof PublicFetchError) throw new ToolError(error.message, { cause: error });
    throw error;
  }
  if (page.status >= 200 && page.status < 300) return page;
  throw new ToolError(
    `${page.url} answered with HTTP status ${page.status}${statusWords(page.status)}.`,
  );
}

function statusWords(status: number): string {
  if (status === 401 || status === 403) return ": it does not let us in. Do not try it again";
  if (status === 404 || status === 410) return ": there is no such page. Check the URL";
  if (status === 429) return ": too many requests. Try it again later";
  return status >= 500 ? ": the site has a problem. Try it again later" : "";
}

async function textOf(
  { url, body, mediaType, charset }: PublicResponse,
  { signal, log }: Pick<ToolContext, "signal" | "log">,
): Promise<{ title: string; text: string }> {
  const isHtml = /^(text\/html|application\/xhtml\+xml)$/.test(mediaType);
  const text = decode(body, charset ?? (isHtml ? charsetInHtml(body) : undefined));
  if (isHtml || (mediaType === "" && /^\s*<(!doctype html|html)/i.test(text))) {
    const { title, markdown, fallback } = await toMarkdown({ html: text, url }, { signal });
    if (fallback !== undefined)
      log.warn({ host: new URL(url).host, fallback }, "page read as plain text");
    return { title: title.trim().replace(/\s+/g, " ").slice(0, 300), text: markdown };
  }
  if (!isText(mediaType) || body.subarray(0, 8_000).includes(0)) {
    const what = mediaType === "" ? "binary data" : mediaType;
    throw new ToolError(
      `${url} is ${what} (${body.length} bytes), not text: fetch_url cannot read it.`,
    );
  }
  return { title: "", text };
}

/** What is told to be text, or tells nothing; zero bytes give the rest away. */
function isText(mediaType: string): boolean {
  return (
    mediaType === "" ||
    mediaType.startsWith("text/") ||
    /^application\/(.+\+)?(json|xml|yaml|x-yaml|toml|javascript|x-ndjson|x-sh|sql|graphql)$/.test(
      mediaType,
    )
  );
}

function decode(body: Uint8Array, charset: string | undefined): string {
  try {
    return new TextDecoder(charset ?? "utf-8").decode(body);
  } catch {
    return new TextDecoder("utf-8").decode(body); // a charset that nobody knows
  }
}

function charsetInHtml(body: Uint8Array): string | undefined {
  const head = new TextDecoder("latin1").decode(body.subarray(0, 2048));
  return /<meta[^>]{0,200}?charset\s*=\s*["']?([\w-]{2,30})/i.exec(head)?.[1];
}

function excerpt(
  text: string,
  start: number,
  length: number,
  cutAtBytes: number | undefined,
): string {
  if (text === "")
    return "(The page has no text to read. It may be made by scripts, which are not run.)";
  if (start >= text.length) {
    throw new ToolError(`The page has ${text.length} characters. Read from a smaller start.`);
  }
  const end = Math.min(text.length, start + length);
  const notes: string[] = [];
  if (start > 0 || end < text.length) {
    const onward = end < text.length ? `; continue with start ${end}` : "";
    notes.push(`[characters ${start}-${end} of ${text.length}${onward}]`);
  }
  if (cutAtBytes !== undefined)
    notes.push(`[only the first ${cutAtBytes} bytes of the page were read]`);
  return [text.slice(start, end).toWellFormed(), ...notes].join("\n\n");
}
