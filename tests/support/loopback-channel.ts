import type { Channel } from "../../src/contracts/channel.ts";
import type { Address, InboundMessage, OutboundMessage } from "../../src/contracts/message.ts";

export interface Sent {
  readonly to: Address;
  readonly message: OutboundMessage;
  readonly key: string;
}

/** A platform inside the test: what is said to it arrives at the gateway, what the gateway sends is kept. */
export class LoopbackChannel implements Channel {
  readonly maxTextLength: number = 4096;
  readonly idempotentSend: boolean = false;
  readonly sent: Sent[] = [];
  readonly edits: OutboundMessage[] = [];
  typing = 0;
  downloads = 0;
  /** Called before a send is taken; throw to fail it. */
  beforeSend: (message: OutboundMessage) => Promise<void> | void = () => {};
  #receive: ((message: InboundMessage) => Promise<void>) | undefined;

  render(markdown: string): string {
    return markdown;
  }

  async start(
    receive: (message: InboundMessage) => Promise<void>,
    state: (now: { up: boolean }) => void,
  ): Promise<void> {
    this.#receive = receive;
    state({ up: true });
  }

  async say(message: InboundMessage): Promise<void> {
    if (this.#receive === undefined) throw new Error("The channel was not started.");
    await this.#receive(message);
  }

  async send(to: Address, message: OutboundMessage, key: string): Promise<string> {
    await this.beforeSend(message);
    this.sent.push({ to, message, key });
    return String(this.sent.length);
  }

  async showTyping(): Promise<void> {
    this.typing += 1;
  }

  async download(ref: string): Promise<Uint8Array> {
    this.downloads += 1;
    return new TextEncoder().encode(`bytes of ${ref}`);
  }

  async edit(_at: Address, _messageId: string, message: OutboundMessage): Promise<void> {
    this.edits.push(message);
  }

  async stop(): Promise<void> {}

  /** Texts sent to a chat so far. */
  textsTo(chat: string): string[] {
    return this.sent.filter(({ to }) => to.chat === chat).map(({ message }) => message.text);
  }
}
