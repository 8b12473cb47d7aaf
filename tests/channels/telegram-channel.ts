import { telegram } from "../../src/channels/telegram.ts";
import type { Channel, ConnectionState } from "../../src/contracts/channel.ts";
import type { InboundMessage } from "../../src/contracts/message.ts";
import type { MemoryLog } from "../support/memory-log.ts";
import { createMemoryLog } from "../support/memory-log.ts";

export interface Running {
  readonly channel: Channel;
  readonly received: InboundMessage[];
  readonly states: ConnectionState[];
  readonly log: MemoryLog;
  start(receive?: (message: InboundMessage) => Promise<void>): Promise<void>;
}

/** The real channel, pointed at a server on loopback. */
export async function openTelegram(apiRoot: string, token: string): Promise<Running> {
  const settings = telegram.settings.parse({ token, api_root: apiRoot });
  settings.token.resolve(token);
  const log = createMemoryLog();
  const channel = await telegram.open(settings, log);
  const received: InboundMessage[] = [];
  const states: ConnectionState[] = [];
  return {
    channel,
    received,
    states,
    log,
    async start(receive = async () => undefined) {
      await channel.start(
        async (message) => {
          await receive(message);
          received.push(message);
        },
        (now) => states.push(now),
      );
    },
  };
}
