/** channel -> reception (durable) -> turn, one at a time per address, so many at once -> delivery -> channel. */
import type { Channel, ConnectionState } from "../contracts/channel.ts";
import { StateError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Address, InboundMessage } from "../contracts/message.ts";
import type { InboxRow, Store } from "../contracts/store.ts";
import { addressKey } from "../lib/address.ts";
import { backoffMs } from "../lib/backoff.ts";
import { errorText } from "../lib/error-text.ts";
import { sleep } from "../lib/sleep.ts";
import type { Access } from "./access.ts";
import { StoppedByUser } from "./agent.ts";
import { type Command, menuOf, parseCommand } from "./commands.ts";
import type { Delivery } from "./delivery.ts";
import type { PeopleDesk } from "./people-desk.ts";
import { createReception } from "./reception.ts";
import { spaceOf } from "./space.ts";
import { GatewayStopping, maxWaitMs, NoLongerWanted, type TurnEndings } from "./turn-endings.ts";
import type { Turns } from "./turns.ts";

export interface GatewayOptions {
  readonly store: Store;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly access: Access;
  readonly people: PeopleDesk;
  readonly commands: readonly Command[];
  readonly turns: Turns;
  readonly endings: TurnEndings;
  readonly delivery: Delivery;
  /** Turns at once; one of them is kept for the owner. */
  readonly parallelTurns: number;
  /** A channel's credentials were refused: it stays down, the others go on. */
  readonly onRefused: (channel: string, error: unknown) => void;
  readonly log: Logger;
  readonly now: () => number;
}

export interface Gateway {
  /** Takes up what is unfinished and connects every channel, each in its own time. */
  start(): void;
  /** Turns end within a few seconds or go on after the next start; then channels and delivery stop. */
  stop(): Promise<void>;
  /** Aborts the turn that runs at an address, or drops the one that waits to be tried again. False if there is none. */
  stopTurn(at: Address): boolean;
  connections(): ReadonlyMap<string, ConnectionState>;
  readonly running: number;
  /** Turns begun so far. */
  readonly begun: number;
}

const watchStateMs = 1000;
const drainTurnsMs = 4000;
const drainSendsMs = 3000;
/** Not amid the start, and then once a day. */
const firstPruneMs = 60_000;
const pruneEveryMs = 24 * 60 * 60_000;
const pruneAtOnce = 500;
const complainEveryMs = 10 * 60_000;

export function createGateway(options: GatewayOptions): Gateway {
  const { store, channels, access, commands, turns, endings, delivery, log, now } = options;
  const running = new Map<
    string,
    { readonly row: InboxRow; readonly abort: AbortController; readonly ended: Promise<void> }
  >();
  const connections = new Map<string, ConnectionState>();
  const complained = new Map<string, number>();
  const stopping = new AbortController();
  const reception = createReception({ ...options, stopTurn, signal: stopping.signal });
  let guests = 0;
  let begun = 0;
  let timer: NodeJS.Timeout | undefined;
  let watch: NodeJS.Timeout | undefined;

  return {
    start() {
      const resumed = store.inbox.recover();
      if (resumed > 0) log.info({ resumed }, "taking up messages of a former run");
      delivery.start();
      watchState();
      pump();
      for (const [name, channel] of channels) {
        connect(name, channel).catch((error: unknown) => {
          if (stopping.signal.aborted) return;
          connections.set(name, { up: false, reason: errorText(error) });
          log.error({ channel: name, error }, "the channel refused us");
          options.onRefused(name, error);
        });
      }
    },
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      clearTimeout(timer);
      clearInterval(watch);
      const cutShort = setTimeout(() => {
        for (const { abort } of running.values()) abort.abort(new GatewayStopping());
      }, drainTurnsMs);
      // Side by side, since ten seconds are all that there is: a platform may take some to let go of us.
      await Promise.all([
        ...[...channels].map(async ([name, channel]) => {
          await channel.stop().catch((error: unknown) => {
            log.error({ channel: name, error }, "the channel did not stop well");
          });
        }),
        ...[...running.values()].map(({ ended }) => ended),
      ]);
      clearTimeout(cutShort);
      await delivery.stop(AbortSignal.timeout(drainSendsMs));
    },
    stopTurn,
    connections: () => connections,
    get running() {
      return running.size;
    },
    get begun() {
      return begun;
    },
  };

  function stopTurn(at: Address): boolean {
    const key = addressKey(at);
    const turn = running.get(key);
    turn?.abort.abort(new StoppedByUser());
    if (turn !== undefined) return true;
    const waits = store.inbox.heads().find(({ message }) => addressKey(message.address) === key);
    if (waits === undefined || isDue(waits)) return false;
    endings.drop(waits, "stopped");
    return true;
  }

  async function connect(name: string, channel: Channel): Promise<void> {
    connections.set(name, { up: false, reason: "connecting" });
    await channel.start(
      // A channel does not know under which name it was configured.
      async ({ address, ...message }) =>
        await receive({ ...message, address: { ...address, channel: name } }, channel),
      (state) => {
        const before = connections.get(name);
        connections.set(name, state);
        if (before?.up === state.up && before.reason === state.reason) return;
        if (state.up) log.info({ channel: name, account: channel.account }, "connected");
        else log.warn({ channel: name, reason: state.reason }, "not connected");
      },
    );
    channel.setCommands?.(menuOf(commands), stopping.signal).catch((error: unknown) => {
      if (!stopping.signal.aborted)
        log.warn({ channel: name, error }, "the command menu was not set");
    });
  }

  async function receive(message: InboundMessage, channel: Channel): Promise<void> {
    try {
      reception.receive(message);
    } catch (error) {
      if (error instanceof StateError && reception.isAdmitted(message)) {
        await complain(message.address, channel, error);
      }
      throw error;
    }
    pump();
  }

  /** Starts every turn that may start now, and sets the alarm for the next one that is not due yet. */
  function pump(): void {
    if (stopping.signal.aborted) return;
    let next = Infinity;
    try {
      for (const { row, abort } of running.values()) {
        if (!endings.isWanted(row)) abort.abort(new NoLongerWanted());
      }
      for (const row of store.inbox.heads()) {
        const { address } = row.message;
        // A chat in the terminal leaves what waits for the other channels to their gateway.
        if (!channels.has(address.channel) || running.has(addressKey(address))) continue;
        if (isDue(row)) launch(row);
        else next = Math.min(next, row.notBefore);
      }
    } catch (error) {
      log.error({ error }, "the inbox could not be read");
      next = now() + watchStateMs;
    }
    clearTimeout(timer);
    if (next < Infinity) timer = setTimeout(pump, Math.min(next - now(), 2 ** 31 - 1));
  }

  /** A wait longer than any that is ever set means that the clock was put back since. */
  function isDue({ notBefore }: InboxRow): boolean {
    const waitMs = notBefore - now();
    return waitMs <= 0 || waitMs > maxWaitMs;
  }

  function launch(row: InboxRow): void {
    const { address, sender } = row.message;
    const isOwner = access.isOwner(address.channel, sender.id);
    if (!hasLane(isOwner)) return;
    begun += 1;
    const abort = new AbortController();
    const key = addressKey(address);
    if (!isOwner) guests += 1;
    const ended = runToEnd(row, isOwner, abort.signal).finally(() => {
      running.delete(key);
      if (!isOwner) guests -= 1;
      pump();
    });
    running.set(key, { row, abort, ended });
  }

  function hasLane(isOwner: boolean): boolean {
    const { parallelTurns } = options;
    if (running.size >= parallelTurns) return false;
    return isOwner || parallelTurns === 1 || guests < parallelTurns - 1;
  }

  /** While the state cannot be written the turn waits where it stands, as if the process had died there. */
  async function runToEnd(row: InboxRow, isOwner: boolean, signal: AbortSignal): Promise<void> {
    const { message, seq } = row;
    const space = spaceOf(message, isOwner);
    for (let trouble = 1; ; trouble += 1) {
      try {
        const current = store.inbox.get(seq);
        if (current === undefined || (current.state !== "waiting" && current.state !== "running"))
          return;
        if (!endings.isWanted(current)) {
          endings.drop(current, "unwanted");
          return;
        }
        const parsed = parseCommand(commands, message);
        if (parsed?.command.inTurn === undefined) await turns.run(current, space, signal);
        else await runCommand(current, isOwner, parsed.command, parsed.args, signal);
        return;
      } catch (error) {
        log.error({ error, seq }, "a turn could not be recorded");
        if (stopping.signal.aborted) return;
        // Also a turn that was stopped is brought to its end, or its message would be neither done nor taken up.
        if (error instanceof StateError) {
          const channel = channels.get(message.address.channel);
          if (channel) await complain(message.address, channel, error);
        } else if (bury(row)) return;
        const waitMs = backoffMs(trouble, { firstMs: 1000, maxMs: 10_000 });
        await sleep(waitMs, stopping.signal).catch(() => {});
      }
    }
  }

  /** A mistake of ours, which nothing was prepared for: said in the plainest way. False if even that cannot be stored. */
  function bury({ message, seq }: InboxRow): boolean {
    const text = `I could not answer this message: something went wrong inside of me, and the log tells what. Send it again; on the server, "barnacle sessions retry ${seq}" does the same.`;
    try {
      store.transaction(() => {
        store.inbox.settle(seq, "failed", "A mistake inside of the gateway; see the log.");
        store.outbox.add(message.address, { text }, seq);
      });
    } catch (error) {
      log.error({ error, seq }, "a dead letter could not be recorded");
      return false;
    }
    delivery.kick(message.address);
    return true;
  }

  async function runCommand(
    row: InboxRow,
    isOwner: boolean,
    command: Command,
    args: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { message, seq } = row;
    const { address } = message;
    const context = { message, seq, isOwner, space: spaceOf(message, isOwner), args };
    let text: string;
    if (row.state === "waiting") {
      if (endings.giveUpIfWornOut(row)) return;
      store.inbox.claim(seq);
    }
    try {
      text = (await command.inTurn?.(context, signal)) ?? "";
    } catch (error) {
      if (error instanceof StateError) throw error;
      if (signal.reason instanceof GatewayStopping) {
        store.inbox.unclaim(seq);
        return;
      }
      if (signal.aborted) {
        endings.drop(row, signal.reason instanceof StoppedByUser ? "stopped" : "unwanted");
        return;
      }
      text = `/${command.name} did not work: ${errorText(error)}`;
    }
    store.transaction(() => {
      delivery.enqueue(address, { text }, seq);
      store.inbox.settle(seq, "answered");
    });
    delivery.kick(address);
  }

  /** The command line may have written (a person admitted, a dead letter to be tried again). */
  function watchState(): void {
    let version = store.foreignVersion();
    let pruneAt = now() + firstPruneMs;
    watch = setInterval(() => {
      try {
        if (now() >= pruneAt) {
          pruneAt = now() + pruneEveryMs;
          const removed = store.prune(pruneAtOnce);
          // There is more of it: a little every second, so that nobody waits.
          if (removed >= pruneAtOnce) pruneAt = now();
        }
        const current = store.foreignVersion();
        if (current === version) return;
        version = current;
        pump();
        for (const at of store.outbox.addresses()) delivery.kick(at);
      } catch (error) {
        log.error({ error }, "the state could not be read");
      }
    }, watchStateMs);
  }

  /** Past the outbox, since nothing can be stored: best effort, to admitted people, once in a while. */
  async function complain(at: Address, channel: Channel, error: StateError): Promise<void> {
    const key = addressKey(at);
    if (now() - (complained.get(key) ?? -Infinity) < complainEveryMs) return;
    if (complained.size > 1000) complained.clear();
    complained.set(key, now());
    log.error({ address: key, error }, "the state cannot be written");
    const text =
      "I cannot store anything right now (my disk is full or read-only), so your message waits. I will go on by myself once there is room.";
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(10_000)]);
    await channel.send(at, { text }, `complaint-${key}-${now()}`, signal).catch(() => {}); // told in the log as well
  }
}
