import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach } from "vitest";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import type { Store } from "../../src/contracts/store.ts";
import type { Tool } from "../../src/contracts/tool.ts";
import { type AccessRules, createAccess, type OwnerId } from "../../src/core/access.ts";
import type { AgentLimits } from "../../src/core/agent.ts";
import { type BudgetRules, createBudget, type Price } from "../../src/core/budget.ts";
import { createCommands } from "../../src/core/commands.ts";
import { createDelivery } from "../../src/core/delivery.ts";
import { createGateway, type Gateway } from "../../src/core/gateway.ts";
import { createPeopleDesk } from "../../src/core/people-desk.ts";
import { createAsking, type Models } from "../../src/core/asking.ts";
import { createTurnEndings } from "../../src/core/turn-endings.ts";
import { createTurns } from "../../src/core/turns.ts";
import { openStore } from "../../src/store/open.ts";
import { LoopbackChannel } from "./loopback-channel.ts";
import { silentLog } from "./silent-log.ts";

export interface WorldOptions {
  readonly models: Models;
  readonly tools?: readonly Tool[];
  readonly rules?: Partial<AccessRules>;
  readonly owners?: readonly OwnerId[];
  readonly limits?: Partial<AgentLimits>;
  readonly budget?: BudgetRules;
  readonly prices?: ReadonlyMap<string, Price>;
  readonly parallelTurns?: number;
  readonly folder?: string;
  readonly persona?: string;
  readonly channel?: LoopbackChannel;
}

export interface World {
  readonly folder: string;
  readonly store: Store;
  readonly channel: LoopbackChannel;
  readonly gateway: Gateway;
  readonly uploads: { readonly space: string; readonly name: string }[];
  /** As a crash would: the parts are left alone and the state is opened by the next. */
  close(): Promise<void>;
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** The core with a real state, wired as main does it, between a loopback channel and a scripted model. */
export function openWorld(options: WorldOptions): World {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "barnacle-world-"));
  const store = openStore({ folder });
  const channel = options.channel ?? new LoopbackChannel();
  const channels = new Map([["telegram", channel]]);
  const now = Date.now;
  const log = silentLog;
  const uploads: { space: string; name: string }[] = [];
  const sandbox: Sandbox = {
    confinement: async () => ({ by: "none", runsCommands: false, explanation: "" }),
    tools: async () => [],
    persona: async () => options.persona ?? "",
    async saveUpload(space, name) {
      uploads.push({ space, name });
      return `inbox/${name}`;
    },
    async stop() {},
  };
  const access = createAccess({
    people: store.people,
    rules: new Map([["telegram", { allowedUsers: ["1001"], pairing: false, ...options.rules }]]),
    // As the config has it: the only id of the only allowlist.
    owners:
      options.owners ??
      (options.rules?.allowedUsers === undefined ? [{ channel: "telegram", id: "1001" }] : []),
    now,
  });
  const budget = createBudget({
    store,
    rules: options.budget ?? { perDay: {}, perChatPerDay: {} },
    prices: options.prices ?? new Map(),
    now,
  });
  const delivery = createDelivery({ store, channels, log, now });
  const endings = createTurnEndings({ store, access, delivery, budget, log, now });
  const turns = createTurns({
    store,
    channels,
    delivery,
    endings,
    sandbox,
    tools: options.tools ?? [],
    asking: createAsking({ store, modelsFor: () => options.models, budget, log }),
    policy: { reads: "allow", writes: "allow", runs: "allow", fetches: "allow" },
    limits: { steps: 25, milliseconds: 60_000, tokens: 1_000_000, ...options.limits },
    name: "Barnacle",
    log,
    now,
  });
  const people = createPeopleDesk({ store, access, say: delivery.enqueue });
  const commands = createCommands({
    store,
    budget,
    models: ["scripted", "other"],
    status: () => "well",
    stopTurn: ({ address }) => gateway.stopTurn(address),
    compactNow: async ({ message }, signal) =>
      await turns.compactNow(message.address, message.sender.id, signal),
    decidePerson: people.decide,
  });
  const gateway: Gateway = createGateway({
    store,
    channels,
    access,
    people,
    commands,
    turns,
    endings,
    delivery,
    parallelTurns: options.parallelTurns ?? 5,
    onRefused() {},
    log,
    now,
  });
  let open = true;
  const close = async (): Promise<void> => {
    if (!open) return;
    open = false;
    await gateway.stop();
    store.close();
  };
  cleanups.push(async () => {
    await close();
    rmSync(folder, { recursive: true, force: true });
  });
  access.ownershipCode();
  gateway.start();
  return { folder, store, channel, gateway, uploads, close };
}

/** Waits until something holds; fails with the sentence when it does not within ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2000; tries += 1) {
    if (holds()) return;
    await delay(5);
  }
  throw new Error(`It did not come true: ${what}`);
}
