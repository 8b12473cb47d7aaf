import { Worker } from "node:worker_threads";
import { abortable } from "../../lib/abortable.ts";
import { errorText } from "../../lib/error-text.ts";
import { toPlainText } from "./to-plain-text.ts";

export interface Page {
  readonly html: string;
  /** Against which relative links are resolved. */
  readonly url: string;
}

export interface Markdown {
  readonly title: string;
  readonly markdown: string;
}

export interface Readable extends Markdown {
  /** Why it is plain text only, when it is. */
  readonly fallback: string | undefined;
}

export interface ToMarkdownOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  /** The script of the thread; beside this file in the sources, beside the bundle when built. */
  readonly worker?: URL;
}

const maxHtmlLength = 2_000_000;
const standardTimeoutMs = 8_000;
/** A page of 2 MB takes about half of it; a page made to take more ends the thread, not the gateway. */
const maxHeapMb = 256;

/**
 * The readable part of a web page. It is taken apart in a thread of its own, with a limit on time and memory, since a
 * page can be made to keep a parser busy for minutes; such a page comes back as its plain text. One page at a time.
 */
export async function toMarkdown(page: Page, options: ToMarkdownOptions): Promise<Readable> {
  const html = page.html.slice(0, maxHtmlLength);
  const turn = inTurn.then(() => {
    options.signal.throwIfAborted();
    return convertInThread({ ...page, html }, options);
  });
  inTurn = turn.then(ignore, ignore);
  const converted = await abortable(turn, options.signal);
  return typeof converted === "string"
    ? { title: "", markdown: toPlainText(html), fallback: converted }
    : { ...converted, fallback: undefined };
}

/** The end of the queue. Two pages at once would need twice the memory. */
let inTurn: Promise<unknown> = Promise.resolve();

function ignore(): void {
  // The next page does not care how the one before it ended.
}

/** Or the reason why the thread did not make it: too long, too large, or threads are not allowed here. */
async function convertInThread(
  page: Page,
  { signal, timeoutMs = standardTimeoutMs, worker: script = workerScript() }: ToMarkdownOptions,
): Promise<Markdown | string> {
  const { promise, resolve, reject } = Promise.withResolvers<Markdown | string>();
  let worker: Worker;
  try {
    worker = new Worker(script, {
      workerData: page,
      // Someone else's page is read there: none of our environment, and nothing it prints gets into our output.
      env: {},
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: 32 },
    });
  } catch (error) {
    return errorText(error);
  }
  const timer = setTimeout(() => resolve(`took longer than ${timeoutMs} ms`), timeoutMs);
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  worker.once("message", (answer: Markdown) => resolve(answer));
  worker.once("error", (error) => resolve(errorText(error)));
  worker.once("exit", () => resolve("ended without an answer"));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    await worker.terminate();
  }
}

function workerScript(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  return new URL(isSource ? "./worker.ts" : "./html-worker.js", import.meta.url);
}
