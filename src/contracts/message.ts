/** Where a conversation happens. Equal addresses share one history and one turn at a time. */
export interface Address {
  /** The configured channel's name, so two Telegram bots never mix. */
  readonly channel: string;
  readonly chat: string;
  /** Forum topic, Slack thread, Discord thread. */
  readonly thread?: string | undefined;
}

export interface Sender {
  /** The platform's stable id. Names can be changed by anyone, so access is granted to ids. */
  readonly id: string;
  readonly name: string;
}

/**
 * A file that came with a message. `ref` is all that its channel needs to download it, also after a
 * restart: attachments are stored with the message, their bytes are not.
 */
export interface Attachment {
  /** A plain base name: no separators, no control characters, never empty. */
  readonly name: string;
  readonly mediaType: string;
  /** Bytes, as the platform told; 0 where it did not. */
  readonly size: number;
  readonly ref: string;
}

export interface Quote {
  readonly sender: string;
  readonly text: string;
}

/** A tapped button of one of our own messages. */
export interface Press {
  readonly button: string;
  readonly messageId: string;
}

export interface InboundMessage {
  /** Unique within the chat (Telegram counts per chat); platforms redeliver. */
  readonly id: string;
  /** 0, or the edit's time in ms: an edit is a new row. */
  readonly version: number;
  readonly address: Address;
  readonly sender: Sender;
  readonly sentAt: Date;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly quoted?: Quote | undefined;
  /** Someone else's words. */
  readonly forwarded: boolean;
  readonly press?: Press | undefined;
  /** True in a private chat, or when a group message mentions or answers the bot. */
  readonly addressedToBot: boolean;
  readonly isPrivate: boolean;
}

export interface OutboundFile {
  readonly name: string;
  readonly mediaType: string;
  readonly data: Uint8Array;
}

export interface Button {
  /** Opaque, at most 40 characters; comes back as `Press.button`. */
  readonly id: string;
  readonly label: string;
}

export interface OutboundMessage {
  /** Markdown; each channel renders it in its own markup. */
  readonly text: string;
  readonly files?: readonly OutboundFile[] | undefined;
  readonly buttons?: readonly Button[] | undefined;
}
