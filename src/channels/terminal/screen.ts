import { on } from "node:events";
import type { Interface } from "node:readline";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { ChannelError } from "../../contracts/errors.ts";

interface ScreenOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly interactive: boolean;
  /** Escape sequences that move the cursor are understood: line editing, and a hint that goes away. */
  readonly cursor: boolean;
}

/** What a person sees: a prompt, answers above it, a hint while the bot works. In a pipe only the answers. */
export interface Screen {
  readonly interrupted: boolean;
  /** Aborted once nobody reads the output any more (`| head -1`). */
  readonly unread: AbortSignal;
  lines(signal: AbortSignal): AsyncGenerator<string>;
  print(text: string): Promise<void>;
  /** For the person at the terminal; in a pipe nothing, since its output is the answers. */
  notice(text: string): void;
  showTyping(): void;
  close(): void;
}

const prompt = "> ";
const hint = "...";
const eraseLine = "\r\u001B[2K";
/** Lines that come faster than anyone types were pasted, and are one message. */
const pasteGapMs = 40;
const maxPasteLength = 100_000;

export function openScreen({ input, output, interactive, cursor }: ScreenOptions): Screen {
  let editor: Interface | undefined;
  let interrupted = false;
  let isHinting = false;
  let broken: Error | undefined;
  const unread = new AbortController();
  // A reader that went away must not end the process with an unhandled error.
  output.on("error", (error: Error) => {
    broken = error;
    unread.abort();
  });

  function clear(): void {
    if (cursor && editor !== undefined) output.write(eraseLine);
    isHinting = false;
  }

  /** Below what was printed. There is none any more once the input has ended, and answers may still come. */
  function promptAgain(): void {
    editor?.prompt(true);
  }

  async function* lines(signal: AbortSignal): AsyncGenerator<string> {
    const rl = createInterface({ input, output, terminal: cursor, prompt });
    editor = rl;
    rl.on("SIGINT", () => {
      interrupted = true;
      rl.close();
    });
    rl.on("close", () => {
      editor = undefined;
      isHinting = false;
    });
    if (cursor) {
      // Only the hint is in the way of what the person types.
      input.on("keypress", () => {
        if (!isHinting || editor === undefined) return;
        clear();
        promptAgain();
      });
    }
    rl.prompt();
    let pasted: string[] = [];
    const events = on(rl, "line", { close: ["close"], signal });
    let next = events.next();
    try {
      for (;;) {
        const came = await (pasted.length === 0 ? next : Promise.race([next, pause()]));
        const isOver = came !== "pause" && came.done === true;
        if (came !== "pause" && came.done !== true) {
          pasted.push(String((came.value as unknown[])[0]));
          next = events.next();
          if (pasted.join("\n").length < maxPasteLength) continue;
        }
        if (pasted.length > 0) yield pasted.join("\n");
        pasted = [];
        if (isOver) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (cursor) output.write("\n");
    }
  }

  return {
    get interrupted() {
      return interrupted;
    },
    unread: unread.signal,
    lines,
    async print(text) {
      clear();
      const space = interactive ? "\n" : "";
      await write(`${text}\n${space}`);
      promptAgain();
    },
    notice(text) {
      if (!interactive) return;
      clear();
      output.write(`${text}\n`);
      promptAgain();
    },
    showTyping() {
      // Never over what the person is typing.
      if (!cursor || isHinting || editor === undefined || editor.line !== "") return;
      isHinting = true;
      output.write(eraseLine + hint);
    },
    close() {
      editor?.close();
      input.pause();
    },
  };

  async function write(text: string): Promise<void> {
    if (broken !== undefined || output.destroyed) throw gone(broken);
    await new Promise<void>((resolve, reject) => {
      output.write(text, (error) => (error ? reject(gone(error)) : resolve()));
    });
  }
}

function gone(cause: Error | undefined): ChannelError {
  const options = { kind: "unavailable", fate: "not-sent", cause } as const;
  return new ChannelError("Nobody reads the output any more.", options);
}

async function pause(): Promise<"pause"> {
  return await new Promise((resolve) => {
    setTimeout(() => resolve("pause"), pasteGapMs);
  });
}
