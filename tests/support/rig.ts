import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startModel } from "./counterparts/model.ts";
import type { Model } from "./counterparts/model.ts";
import { startTelegram } from "./counterparts/telegram.ts";
import type { Telegram } from "./counterparts/telegram.ts";
import { startGateway } from "./gateway-process.ts";
import type { GatewayOptions, GatewayProcess } from "./gateway-process.ts";
import { countUnsettled } from "./state-reader.ts";

export interface Folders {
  readonly root: string;
  readonly config: string;
  readonly state: string;
  readonly workspace: string;
}

/** A gateway's outside world: the platform, the model, and the folders that outlive a process. */
export interface Rig {
  readonly telegram: Telegram;
  readonly model: Model;
  readonly folders: Folders;
  /** The config as written; write another with `configure`. */
  configure(change: (config: Record<string, unknown>) => Record<string, unknown>): void;
  /** Starts a gateway on the rig's folders. Resolves once it polls. */
  start(options?: StartOptions): Promise<GatewayProcess>;
  /** Starts it without waiting for anything. */
  launch(options?: StartOptions): GatewayProcess;
  /** A message in; the bot's messages of that chat which came after it, once `includes` is among them. */
  say(from: number, text: string, options?: SayOptions): Promise<readonly string[]>;
  /** Waits until no update is unconfirmed, no message waits or runs and no reply is unsent. */
  settled(timeoutMs?: number): Promise<void>;
  /** Reads a file of a space; "" if there is none. */
  readSpace(space: string, file: string): string;
  /** Runs when all of the rig's processes have ended, before its folders are removed. */
  atEnd(cleanUp: () => void): void;
  stop(): Promise<void>;
}

type StartOptions = Partial<Pick<GatewayOptions, "env" | "prefix" | "args" | "node">> & {
  readonly timeoutMs?: number;
};

interface SayOptions {
  readonly chat?: number;
  readonly includes?: string;
  readonly timeoutMs?: number;
}

interface RigOptions {
  readonly provider?: "openai" | "anthropic";
  readonly allowedUsers?: readonly number[] | undefined;
  /** Merged over the config's top level. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Merged over the channel. */
  readonly channel?: Readonly<Record<string, unknown>>;
}

/** Starts the counterparts and writes the folders; no gateway yet. */
export async function openRig(options: RigOptions = {}): Promise<Rig> {
  const [telegram, model] = await Promise.all([startTelegram(), startModel()]);
  const folders = makeFolders();
  const gateways = new Set<GatewayProcess>();
  const cleanUps: (() => void)[] = [];
  let config = makeConfig(telegram, model, options);
  const write = (): void =>
    writeFileSync(folders.config, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  write();

  const launch = (start: StartOptions = {}): GatewayProcess => {
    const gateway = startGateway({ ...folders, ...start });
    gateways.add(gateway);
    void telegram.remote.guard(gateway.pid, true).catch(() => undefined);
    void unguardWhenEnded(gateway);
    return gateway;
  };

  async function unguardWhenEnded(gateway: GatewayProcess): Promise<void> {
    try {
      await gateway.exited;
      gateways.delete(gateway);
      await telegram.remote.guard(gateway.pid, false);
    } catch {
      return; // the counterpart ended first
    }
  }

  return {
    telegram,
    model,
    folders,
    configure(change) {
      config = change(config);
      write();
    },
    launch,
    async start(start = {}) {
      const polled = telegram.nextEvent(
        (event) => event.type === "called" && event.method === "getUpdates",
        start.timeoutMs ?? 15_000,
        "the first getUpdates of the gateway",
      );
      const gateway = launch(start);
      const died = gateway.exited.then((exit) => {
        throw new Error(
          `The gateway ended at its start (${JSON.stringify(exit)}):\n${gateway.lines.join("\n")}`,
        );
      });
      try {
        await Promise.race([polled, died]);
      } catch (error) {
        throw new Error(`${String(error)}\n${gateway.lines.slice(-20).join("\n")}`, {
          cause: error,
        });
      } finally {
        died.catch(() => undefined);
        polled.catch(() => undefined);
      }
      return gateway;
    },
    async say(from, text, { chat = from, includes, timeoutMs = 15_000 } = {}) {
      const before = (await telegram.remote.messages(chat)).length;
      await telegram.remote.inject({ from, chat, text });
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const all = await telegram.remote.messages(chat);
        const texts = all.slice(before).map((message) => message.text);
        if (includes === undefined ? texts.length > 0 : texts.some((one) => one.includes(includes)))
          return texts;
        if (performance.now() > deadline) {
          throw new Error(
            `No answer to ${JSON.stringify(text)} within ${timeoutMs} ms${includes === undefined ? "" : ` with ${JSON.stringify(includes)}`}; there came ${JSON.stringify(texts)}.`,
          );
        }
        await sleep(10);
      }
    },
    async settled(timeoutMs = 30_000) {
      await until(async () => await isQuiet(folders, telegram), timeoutMs, "all messages settled");
    },
    readSpace(space, file) {
      try {
        return readFileSync(join(folders.workspace, "spaces", space, file), "utf8");
      } catch {
        return ""; // absent is an answer
      }
    },
    atEnd: (cleanUp) => void cleanUps.push(cleanUp),
    async stop() {
      await Promise.all([...gateways].map(async (gateway) => await gateway.kill()));
      await Promise.all([telegram.stop(), model.stop()]);
      await until(
        () => processesUsing(folders.root).length === 0,
        10_000,
        "the gateway's own processes ended",
      );
      for (const cleanUp of cleanUps) cleanUp();
      rmSync(folders.root, { recursive: true, force: true });
    },
  };
}

export function makeFolders(): Folders {
  const root = mkdtempSync(join(tmpdir(), "barnacle-rig-"));
  const folders = {
    root,
    config: join(root, "config.json"),
    state: join(root, "state"),
    workspace: join(root, "workspace"),
  };
  mkdirSync(join(folders.workspace, "spaces/main"), { recursive: true });
  return folders;
}

function makeConfig(
  telegram: Telegram,
  model: Model,
  { provider = "openai", allowedUsers = [1001], config, channel }: RigOptions,
): Record<string, unknown> {
  return {
    llm: {
      provider,
      api_key: "sk-test",
      model: "scripted",
      base_url: provider === "openai" ? model.openaiUrl : model.anthropicUrl,
    },
    channel: {
      type: "telegram",
      token: telegram.token,
      api_root: telegram.apiRoot,
      allowed_users: allowedUsers,
      ...channel,
    },
    ...config,
  };
}

/** Looks again and again, with a sentence when it was in vain. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}.`);
    await sleep(20);
  }
}

/** Processes whose command line or current folder lies under `root`, this one left out. */
export function processesUsing(
  root: string,
): readonly { readonly pid: number; readonly command: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        const uses = command.includes(root) || readlinkSync(`/proc/${name}/cwd`).startsWith(root);
        return uses && command !== "" ? [{ pid: Number(name), command }] : [];
      } catch {
        return []; // it has just ended
      }
    });
}

async function isQuiet(folders: Folders, telegram: Telegram): Promise<boolean> {
  return (await telegram.remote.queue()).waiting === 0 && countUnsettled(folders.state) === 0;
}
