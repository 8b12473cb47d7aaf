import { stripVTControlCharacters } from "node:util";

/** Keeps the head and the tail of what a command prints, in bounded memory. */
export class Output {
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #total = 0;
  readonly #half: number;

  constructor(maxBytes: number) {
    this.#half = Math.floor(maxBytes / 2);
  }

  get total(): number {
    return this.#total;
  }

  add(chunk: Buffer): void {
    this.#total += chunk.length;
    const room = this.#half - this.#headBytes;
    if (room > 0) {
      const part = Buffer.from(chunk.subarray(0, room));
      this.#head.push(part);
      this.#headBytes += part.length;
      chunk = chunk.subarray(room);
    }
    if (chunk.length === 0) return;
    const part = Buffer.from(chunk.subarray(Math.max(0, chunk.length - this.#half)));
    this.#tail.push(part);
    this.#tailBytes += part.length;
    for (let first = this.#tail[0]; first !== undefined; first = this.#tail[0]) {
      if (this.#tailBytes - first.length < this.#half) break;
      this.#tail.shift();
      this.#tailBytes -= first.length;
    }
  }

  /** Harmless text, saying how much of the middle is missing. */
  text(): string {
    const head = Buffer.concat(this.#head);
    const all = Buffer.concat(this.#tail);
    const tail = all.subarray(Math.max(0, all.length - this.#half));
    const missing = this.#total - head.length - tail.length;
    if (missing === 0) return harmless(Buffer.concat([head, tail]).toString("utf8"));
    const note = `\n[... ${missing.toLocaleString("en")} bytes left out; write to a file to see all ...]\n`;
    return harmless(head.toString("utf8")) + note + harmless(tail.toString("utf8"));
  }
}

/** Without terminal sequences, control characters and characters that reorder text. */
function harmless(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}
