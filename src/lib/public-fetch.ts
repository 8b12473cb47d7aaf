import type { LookupAddress } from "node:dns";
import { lookup as lookUpName } from "node:dns/promises";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { Client, buildConnector, errors } from "undici";
import type { Dispatcher } from "undici";
import { abortable } from "./abortable.ts";
import { errorText } from "./error-text.ts";
import { isPublicAddress } from "./public-address.ts";

export interface PublicFetchOptions {
  readonly signal: AbortSignal;
  /** Of the body after decompression; what is beyond is cut off. */
  readonly maxBytes: number;
  /** For everything: names, connections, redirects and the body. */
  readonly timeoutMs: number;
  /** Without a byte from the other side. */
  readonly idleMs?: number;
  /** Hosts, and their subdomains, that are never reached: chat platforms and providers, where our keys mean something. */
  readonly deniedHosts?: readonly string[];
  readonly accept?: string;
  /** Which addresses may be connected to: only public ones unless told otherwise. */
  readonly isAllowedAddress?: (address: string) => boolean;
  readonly lookup?: (hostname: string) => Promise<readonly LookupAddress[]>;
  /** Certificates that are trusted instead of the system's. */
  readonly ca?: string;
}

export interface PublicResponse {
  /** After redirects. */
  readonly url: string;
  readonly status: number;
  /** "text/html", lower case, without parameters; "" where none was told. */
  readonly mediaType: string;
  readonly charset: string | undefined;
  readonly body: Uint8Array;
  /** The body went on beyond `maxBytes`. */
  readonly cutOff: boolean;
}

/** Its message is a sentence for whoever asked for the page. */
export class PublicFetchError extends Error {
  override readonly name = "PublicFetchError";
}

const maxRedirects = 5;
const maxUrlLength = 4_000;
const maxHeaderBytes = 32 * 1024;
const standardIdleMs = 15_000;
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * GETs a URL that somebody else chose: check URL -> resolve -> check every address -> connect to just these -> read.
 * Each redirect goes the whole way again. A name is resolved once, and the connection is made to what was checked, so a
 * name that changes its address in between (DNS rebinding) gains nothing. Environment proxies are not used.
 * @throws PublicFetchError, or the signal's reason when the caller aborted.
 */
export async function publicFetch(
  url: string,
  options: PublicFetchOptions,
): Promise<PublicResponse> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([options.signal, deadline]);
  try {
    let target = checkUrl(url, options.deniedHosts ?? []);
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const answer = await getOnce(target, options, signal);
      if (!("location" in answer)) return answer;
      target = nextHop(answer.location, target, options.deniedHosts ?? []);
    }
    throw new PublicFetchError(`The page redirected more than ${maxRedirects} times.`);
  } catch (error) {
    if (error instanceof PublicFetchError) throw error;
    options.signal.throwIfAborted();
    const seconds = options.timeoutMs / 1000;
    if (deadline.aborted) {
      throw new PublicFetchError(`The page took longer than ${seconds} s.`, { cause: error });
    }
    throw new PublicFetchError(whyFailed(error), { cause: error });
  }
}

interface Redirect {
  readonly location: string;
}

async function getOnce(
  url: URL,
  options: PublicFetchOptions,
  signal: AbortSignal,
): Promise<PublicResponse | Redirect> {
  const idleMs = options.idleMs ?? standardIdleMs;
  const addresses = await checkedAddresses(plainHost(url), options, signal);
  // A client of its own for each hop: no connection outlives the check that let it be made.
  const client = new Client(url.origin, {
    connect: connectorTo(addresses, options, idleMs),
    headersTimeout: idleMs,
    bodyTimeout: idleMs,
    maxHeaderSize: maxHeaderBytes,
    allowH2: false,
  });
  try {
    const response = await client.request({
      method: "GET",
      path: `${url.pathname}${url.search}`,
      headers: {
        accept: options.accept ?? "*/*",
        "accept-encoding": "gzip, deflate, br",
        "user-agent": "Barnacle (+fetch_url)",
      },
      signal,
    });
    const location = headerOf(response, "location");
    if (redirects.has(response.statusCode) && location !== undefined) return { location };
    const { body, cutOff } = await readBody(response, options.maxBytes, signal);
    const [mediaType = "", ...parameters] = (headerOf(response, "content-type") ?? "").split(";");
    const charset = parameters.map((each) => /^\s*charset\s*=\s*"?([^\s"]+)/i.exec(each)?.[1]);
    return {
      url: url.href,
      status: response.statusCode,
      mediaType: mediaType.trim().toLowerCase(),
      charset: charset.find((each) => each !== undefined),
      body,
      cutOff,
    };
  } finally {
    await client.destroy().catch(() => undefined); // it is being thrown away
  }
}

function checkUrl(text: string, deniedHosts: readonly string[]): URL {
  if (text.length > maxUrlLength) {
    throw new PublicFetchError(`The URL is longer than ${maxUrlLength} characters.`);
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) {
    throw new PublicFetchError("That is not a URL. Give one such as https://example.org/page.");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new PublicFetchError("Only http and https URLs can be fetched.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new PublicFetchError("A URL with a user name or password in it is not fetched.");
  }
  const port = url.port === "" ? undefined : Number(url.port);
  if (port !== undefined && port < 1024 && port !== 80 && port !== 443) {
    throw new PublicFetchError(
      `Port ${port} is not fetched: it belongs to another service than the web.`,
    );
  }
  const host = plainHost(url);
  if (
    deniedHosts
      .map((denied) => denied.toLowerCase())
      .some((denied) => host === denied || host.endsWith(`.${denied}`))
  ) {
    throw new PublicFetchError(
      `${host} is a service that this assistant itself runs on; it is never fetched.`,
    );
  }
  return url;
}

/** As DNS compares names: without the dot at the end. URL has lowered it already. */
function plainHost(url: URL): string {
  return url.hostname.replace(/\.+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function nextHop(location: string, from: URL, deniedHosts: readonly string[]): URL {
  if (!URL.canParse(location, from.href))
    throw new PublicFetchError("The page redirected to something that is no URL.");
  const next = checkUrl(new URL(location, from.href).href, deniedHosts);
  if (from.protocol === "https:" && next.protocol === "http:") {
    throw new PublicFetchError("The page redirected from https to http, which is not followed.");
  }
  return next;
}

/** @throws PublicFetchError unless every address of the name is allowed. */
async function checkedAddresses(
  hostname: string,
  options: PublicFetchOptions,
  signal: AbortSignal,
): Promise<readonly LookupAddress[]> {
  signal.throwIfAborted();
  const isAllowed = options.isAllowedAddress ?? isPublicAddress;
  const resolve = options.lookup ?? ((name: string) => lookUpName(name, { all: true }));
  const family = isIP(hostname);
  const addresses =
    family === 0 ? await abortable(resolve(hostname), signal) : [{ address: hostname, family }];
  // One private answer among public ones is how rebinding looks: the whole name is refused.
  if (addresses.length === 0 || !addresses.every(({ address }) => isAllowed(address))) {
    throw new PublicFetchError(
      `${hostname} is not a public address; only the public web is fetched.`,
    );
  }
  return addresses;
}

/** Connects to nothing but these addresses, whatever the name would be resolved to by now. */
function connectorTo(
  addresses: readonly LookupAddress[],
  { ca, isAllowedAddress = isPublicAddress }: PublicFetchOptions,
  timeout: number,
): buildConnector.connector {
  const connect = buildConnector({
    timeout,
    allowH2: false,
    maxCachedSessions: 0,
    ...(ca === undefined ? {} : { ca }),
    lookup: (_hostname, { all }, done) => {
      const [first] = addresses;
      if (all) done(null, [...addresses]);
      else done(null, first?.address ?? "", first?.family);
    },
  });
  return (target, done) => {
    connect(target, (...[error, socket]) => {
      if (error !== null) {
        done(error, null);
      } else if (socket.remoteAddress !== undefined && isAllowedAddress(socket.remoteAddress)) {
        done(null, socket);
      } else {
        // The last word has the connection itself.
        socket.destroy();
        done(new PublicFetchError(`${target.hostname} is not a public address.`), null);
      }
    });
  };
}

async function readBody(
  response: Dispatcher.ResponseData,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ body: Uint8Array; cutOff: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // `compose` destroys every part when the reader stops early or fails, and so a bomb stops unpacking at the cap.
  for await (const chunk of decoded(response, signal)) {
    const bytes = chunk as Uint8Array;
    const room = maxBytes - length;
    chunks.push(bytes.subarray(0, room));
    length += Math.min(bytes.length, room);
    if (bytes.length > room) return { body: Buffer.concat(chunks), cutOff: true };
  }
  return { body: Buffer.concat(chunks), cutOff: false };
}

function decoded(response: Dispatcher.ResponseData, signal: AbortSignal): Readable {
  const encoding = (headerOf(response, "content-encoding") ?? "identity").trim().toLowerCase();
  const { body } = response;
  body.on("error", () => undefined); // told to the reader through the composed stream
  switch (encoding) {
    case "identity":
    case "":
      return body;
    case "gzip":
    case "x-gzip":
      return body.compose(createGunzip(), { signal });
    case "deflate":
      return body.compose(createInflate(), { signal });
    case "br":
      return body.compose(createBrotliDecompress(), { signal });
    default:
      throw new PublicFetchError(
        `The page is packed in a way that cannot be read (${encoding.slice(0, 40)}).`,
      );
  }
}

function headerOf(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function whyFailed(error: unknown): string {
  if (error instanceof PublicFetchError) return error.message;
  if (
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  ) {
    return "The page's server stopped answering.";
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return "The page's host name could not be found.";
  if (code === "ECONNREFUSED") return "The page's server refused the connection.";
  if (code.startsWith("ERR_TLS") || code.includes("CERT") || code.includes("SIGNED")) {
    return `The page's server has no valid certificate (${code}).`;
  }
  return `The page could not be fetched: ${errorText(error)}`;
}
