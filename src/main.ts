/** Builds every part and wires them: start order reads down, stop order reads up. */
import { channelKinds } from "./channels/index.ts";
import type { Config } from "./config/config.ts";
import type { Channel } from "./contracts/channel.ts";
import type { Logger } from "./contracts/logger.ts";
import type { Sandbox } from "./contracts/sandbox.ts";
import type { Store } from "./contracts/store.ts";
import { createAccess } from "./core/access.ts";
import { createAsking } from "./core/asking.ts";
import { createBudget } from "./core/budget.ts";
import { createCommands } from "./core/commands.ts";
import { createDelivery } from "./core/delivery.ts";
import { createGateway, type Gateway } from "./core/gateway.ts";
import { createModels } from "./core/models.ts";
import { createPeopleDesk } from "./core/people-desk.ts";
import { statusText } from "./core/status.ts";
import { defaultPolicy } from "./core/tool-policy.ts";
import { createTurnEndings } from "./core/turn-endings.ts";
import { createTurns } from "./core/turns.ts";
import type { HealthReport } from "./health.ts";
import { createSandbox } from "./mcp/sandbox.ts";
import { providerKinds } from "./providers/index.ts";
import { sandboxFiles } from "./runtime-files.ts";
import { sandboxSpecs } from "./sandbox/specs.ts";
import { createBuiltinTools } from "./tools/index.ts";
import { version } from "./version.ts";

export interface App {
  readonly gateway: Gateway;
  readonly sandbox: Sandbox;
  /** The code that makes its sender the owner, while there is none. */
  readonly ownershipCode: string | undefined;
  health(): HealthReport;
  start(): void;
  stop(): Promise<void>;
}

export interface AppOptions {
  readonly config: Config;
  /** Open and locked by the caller, who closes it after `stop`. */
  readonly store: Store;
  readonly workspace: string;
  readonly log: Logger;
  /** A channel's credentials were refused. */
  readonly onRefused: (channel: string, error: unknown) => void;
  /** Instead of the configured channels: the terminal of `chat` and `ask`, whose user is the owner. */
  readonly terminal?: { readonly name: string; readonly channel: Channel };
}

export async function openApp(options: AppOptions): Promise<App> {
  const { config, store, workspace, log, terminal } = options;
  const now = Date.now;
  const startedAt = now();

  const channels =
    terminal === undefined
      ? await openChannels(config, log)
      : new Map([[terminal.name, terminal.channel]]);
  const models = await openModels(config, log);
  const sandbox = openSandbox(config, workspace, log);
  const { fetchUrl } = config.tools;
  const tools = createBuiltinTools({
    fetchUrl: fetchUrl.enabled ? { ...fetchUrl, deniedHosts: hostsOf(config) } : undefined,
  });

  const access = createAccess({
    people: store.people,
    rules:
      terminal === undefined
        ? new Map(config.channels.map(({ name, access }) => [name, access]))
        : new Map([[terminal.name, localAccess]]),
    owners: config.owners,
    now,
  });
  const budget = createBudget({
    store,
    rules: config.budget,
    prices: models.prices,
    now,
  });
  const delivery = createDelivery({ store, channels, log, now });
  const chains = createModels({ models: models.opened, settings: store.settings, now, log });
  const endings = createTurnEndings({ store, access, delivery, budget, log, now });
  const turns = createTurns({
    store,
    channels,
    delivery,
    endings,
    sandbox,
    tools,
    asking: createAsking({ store, modelsFor: chains.forAddress, budget, log }),
    policy: { ...defaultPolicy, ...config.policy },
    limits: {
      steps: config.agent.maxSteps,
      milliseconds: config.agent.maxTurnMs,
      tokens: config.agent.maxTurnTokens ?? Infinity,
    },
    name: config.agent.name,
    log,
    now,
  });
  const people = createPeopleDesk({ store, access, say: delivery.enqueue });
  const commands = createCommands({
    store,
    budget,
    models: chains.ids,
    status: ({ message }) =>
      statusText({
        version,
        uptimeMs: now() - startedAt,
        connections: gateway.connections(),
        model: chains.forAddress(message.address).id,
        inbox: store.inbox.counts(),
        toSend: store.outbox.pending(),
        openChannels: config.channels
          .filter(({ access }) => access.allowedUsers === "everyone")
          .map(({ name }) => name),
      }),
    stopTurn: ({ address }) => gateway.stopTurn(address),
    compactNow: async ({ message }, signal) =>
      await turns.compactNow(
        message.address,
        `${message.address.channel}/${message.sender.id}`,
        signal,
      ),
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
    parallelTurns: config.agent.parallelTurns,
    onRefused: options.onRefused,
    log,
    now,
  });

  return {
    gateway,
    sandbox,
    ownershipCode: access.ownershipCode(),
    health() {
      const connections = [...gateway.connections()];
      const counts = store.inbox.counts();
      return {
        schemaVersion: 1,
        status: connections.every(([, { up }]) => up) ? "ok" : "not-ready",
        version,
        pid: process.pid,
        uptimeSeconds: Math.round((now() - startedAt) / 1000),
        channels: Object.fromEntries(
          connections.map(([name, state]) => {
            const account = channels.get(name)?.account;
            return [name, account === undefined ? state : { ...state, account }];
          }),
        ),
        ...(chains.ids[0] === undefined ? {} : { model: chains.ids[0] }),
        queue: {
          waiting: counts.waiting,
          running: gateway.running,
          toSend: store.outbox.pending(),
        },
      };
    },
    start: () => gateway.start(),
    async stop() {
      await gateway.stop();
      await sandbox.stop();
    },
  };
}

const localAccess = { allowedUsers: [], pairing: false, local: true } as const;

/** The room of tools, not started yet: each space's process starts on first use. */
export function openSandbox(config: Config, workspace: string, log: Logger): Sandbox {
  return createSandbox({
    specs: sandboxSpecs,
    ...sandboxFiles(),
    workspace,
    confine: config.sandbox.confine,
    idleMs: config.sandbox.idleMs,
    commandSeconds: config.sandbox.commandTimeoutMs / 1000,
    limits: {
      commandMemoryBytes: config.sandbox.commandMemoryBytes,
      commandDiskBytes: config.sandbox.commandDiskBytes,
    },
    log,
  });
}

async function openChannels(config: Config, log: Logger): Promise<ReadonlyMap<string, Channel>> {
  const opened = config.channels.map(async ({ name, kind, settings }) => {
    const channel = await kindOf(channelKinds, kind).open(settings, log.child({ channel: name }));
    return [name, channel] as const;
  });
  return new Map(await Promise.all(opened));
}

async function openModels(config: Config, log: Logger) {
  const opened = await Promise.all(
    config.models.map(async ({ provider, settings }) =>
      kindOf(providerKinds, provider).open(settings, log),
    ),
  );
  const prices = new Map(
    config.models.flatMap(({ price }, index) => {
      const model = opened[index];
      return price === undefined || model === undefined ? [] : [[model.id, price] as const];
    }),
  );
  return { opened, prices };
}

/** What the model may never fetch: the hosts that our own credentials work on. */
function hostsOf(config: Config): readonly string[] {
  return [
    ...config.channels.flatMap(({ kind, settings }) => kindOf(channelKinds, kind).hosts(settings)),
    ...config.models.flatMap(({ provider, settings }) =>
      kindOf(providerKinds, provider).hosts(settings),
    ),
  ];
}

function kindOf<K extends { readonly name: string }>(kinds: readonly K[], name: string): K {
  const kind = kinds.find((one) => one.name === name);
  if (kind === undefined)
    throw new Error(`There is no kind "${name}"; the config should have been refused.`);
  return kind;
}
