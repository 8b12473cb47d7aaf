import type { ConnectionState } from "../contracts/channel.ts";
import type { InboxState } from "../contracts/store.ts";

export interface StatusFacts {
  readonly version: string;
  readonly uptimeMs: number;
  readonly connections: ReadonlyMap<string, ConnectionState>;
  readonly model: string;
  readonly inbox: Readonly<Record<InboxState, number>>;
  readonly toSend: number;
  /** Channels that anybody may use. */
  readonly openChannels: readonly string[];
}

/** What `/status` says. */
export function statusText(facts: StatusFacts): string {
  const { version, uptimeMs, connections, model, inbox, toSend, openChannels } = facts;
  const channels = [...connections].map(
    ([name, { up, reason }]) =>
      `- ${name}: ${up ? "connected" : `not connected, ${reason ?? "no reason known"}`}`,
  );
  const warnings = openChannels.map(
    (name) => `- Warning: ${name} is open to everyone ("*" in allowed_users).`,
  );
  return [
    `**Barnacle ${version}**, up ${duration(uptimeMs)}`,
    `Model of this chat: \`${model}\``,
    // The question itself is among them.
    `Messages: ${Math.max(0, inbox.waiting - 1)} waiting, ${inbox.running} in work, ${inbox.held} held, ${inbox.failed} failed, ${toSend} to send`,
    "",
    ...channels,
    ...warnings,
  ].join("\n");
}

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}
