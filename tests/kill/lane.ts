import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { GateRule } from "../support/counterparts/gates.ts";
import { sharedNowMs } from "../support/counterparts/remote.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import type { Random } from "../support/random.ts";
import { openRig, until } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";
import { readState } from "../support/state-reader.ts";
import { killPoints } from "./points.ts";
import type { KillPoint } from "./points.ts";
import type { Asked, Evidence, Kill, Kind } from "./oracle.ts";

interface LaneOptions {
  /** One letter: the first of every marker. */
  readonly letter: string;
  readonly kills: number;
  readonly random: Random;
  readonly provider: "openai" | "anthropic";
  readonly note: (line: string) => void;
}

export interface LaneResult {
  readonly evidence: Evidence;
  /** How often the gateway was killed at each point. */
  readonly killed: ReadonlyMap<string, number>;
}

const people = [1001, 1002, 1003, 1004];
const kinds: readonly Kind[] = ["echo", "echo", "tool", "stream", "tool", "both", "long"];
const reachTimeoutMs = 30_000;
/** Rounds between two rests; in between, what is unfinished piles up. */
const restEvery = 4;

/** One state folder, one gateway life after another: kill, start again, on the same accumulated state. */
export async function runLane(options: LaneOptions): Promise<LaneResult> {
  const rig = await openRig({
    provider: options.provider,
    allowedUsers: people,
    config: { owner: { channel: "telegram", id: "1001" } },
  });
  try {
    return await killAgainAndAgain(rig, options);
  } finally {
    await rig.stop();
  }
}

async function killAgainAndAgain(
  rig: Rig,
  { letter, kills: wanted, random, note }: LaneOptions,
): Promise<LaneResult> {
  const asked: Asked[] = [];
  const kills: Kill[] = [];
  const killed = new Map<string, number>();

  const nextMarker = (): string => `${letter}${String(asked.length + 1).padStart(4, "0")}`;
  const ask = async (kind: Kind, chat = random.pick(people)): Promise<string> => {
    const marker = nextMarker();
    const place = asked.push({ marker, kind, chat, id: 0 }) - 1;
    const { id } = await rig.telegram.remote.inject({ from: chat, text: `${kind} ${marker}` });
    asked[place] = { marker, kind, chat, id };
    return marker;
  };
  const askSome = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) await ask(random.pick(kinds));
  };
  const kill = async (gateway: GatewayProcess, point: KillPoint): Promise<void> => {
    kills.push({ atMs: sharedNowMs(), restartedMs: Infinity });
    const exit = await gateway.kill();
    if (exit.signal !== "SIGKILL") {
      throw new Error(
        `The gateway ended by itself (${JSON.stringify(exit)}):\n${gateway.lines.slice(-20).join("\n")}`,
      );
    }
    killed.set(point.name, (killed.get(point.name) ?? 0) + 1);
  };

  const noteRestart = (): void => {
    const last = kills.at(-1);
    if (last !== undefined) kills[kills.length - 1] = { ...last, restartedMs: sharedNowMs() };
  };
  const restart = async (): Promise<GatewayProcess> => {
    noteRestart();
    return await rig.start();
  };

  /** Arms a rule; the promise resolves when a request has come to it. */
  const watch = async (
    at: "telegram" | "model",
    rule: GateRule<never>,
  ): Promise<{ readonly reached: Promise<void>; readonly release: () => Promise<void> }> => {
    const side = rig[at];
    const id = await (side.remote.arm as (rule: GateRule<never>) => Promise<number>)(rule);
    const reached = new Promise<void>((resolve) => {
      const stop = side.onEvent((event: { readonly type: string; readonly rule?: number }) => {
        if (event.type !== "reached" || event.rule !== id) return;
        stop();
        resolve();
      });
    });
    return { reached, release: async () => await side.remote.release(id, "drop") };
  };

  /** Asks, waits until the gateway is at the point, kills it. */
  const killAt = async (gateway: GatewayProcess, point: KillPoint): Promise<void> => {
    switch (point.at) {
      case "telegram":
      case "model": {
        const skip = point.at === "model" ? point.skip : undefined;
        const rule = {
          point: point.point as never,
          match: nextMarker(),
          action: "hold",
          skip,
        } as const;
        const { reached, release } = await watch(point.at, rule);
        await ask(random.pick(point.kinds));
        await askSome(random.below(3));
        await within(reached, `${point.name} (${rule.match})`, gateway);
        await kill(gateway, point);
        await release();
        return;
      }
      case "shortly after delivery": {
        const rule = {
          point: "update delivered" as never,
          match: nextMarker(),
          action: "tell",
        } as const;
        const { reached } = await watch("telegram", rule);
        await ask(random.pick(kinds));
        await within(reached, point.name, gateway);
        await sleep(random.below(20));
        await kill(gateway, point);
        return;
      }
      case "tool":
      case "tool, then its report": {
        const marker = await ask("hang");
        const atWork = until(
          () => effectsOf(rig).includes(marker),
          reachTimeoutMs,
          "its line in the file",
        );
        await within(atWork, `${point.name} (${marker})`, gateway);
        await askSome(random.below(2));
        await kill(gateway, point);
        if (point.at === "tool") return;
        const rule = { point: "request received" as never, match: marker, action: "hold" } as const;
        const { reached, release } = await watch("model", rule);
        const next = await restart();
        await within(reached, `${point.name} (${marker})`, next);
        await kill(next, point);
        await release();
        return;
      }
      case "any moment":
        await askSome(1 + random.below(4));
        await sleep(random.below(400));
        await kill(gateway, point);
        return;
      case "start": {
        await askSome(1 + random.below(2));
        await kill(gateway, point);
        noteRestart();
        const next = rig.launch();
        await sleep(random.below(450));
        await kill(next, point);
        return;
      }
      default:
        throw new Error("There is no such point.");
    }
  };

  let gateway = await rig.start();
  let queue: KillPoint[] = [];
  for (let rounds = 0; kills.length < wanted; rounds += 1) {
    if (queue.length === 0) queue = shuffled(killPoints, random);
    const point = queue.pop() as KillPoint;
    await killAt(gateway, point);
    gateway = await restart();
    if (rounds % restEvery === restEvery - 1) {
      await drain(rig, gateway);
      if (rounds % 20 === 19)
        note(`lane ${letter}: ${kills.length} kills, ${asked.length} messages`);
    }
  }
  await drain(rig, gateway);
  const stopped = await gateway.stop();
  if (stopped.code !== 0) throw new Error(`SIGTERM ended in ${JSON.stringify(stopped)}.`);

  return {
    killed,
    evidence: {
      asked,
      kills,
      delivered: await rig.telegram.remote.messages(),
      attempts: await rig.telegram.remote.calls("sendMessage"),
      effects: effectsOf(rig),
      state: readState(rig.folders.state),
      complaints: (await rig.model.remote.calls()).flatMap(({ complaint }) => complaint ?? []),
      leftInQueue: (await rig.telegram.remote.queue()).waiting,
    },
  };
}

async function drain(rig: Rig, gateway: GatewayProcess): Promise<void> {
  try {
    await rig.settled(120_000);
  } catch (error) {
    throw new Error(`${String(error)}\n${gateway.lines.slice(-30).join("\n")}`, { cause: error });
  }
}

async function within(
  reached: Promise<void>,
  what: string,
  gateway: GatewayProcess,
): Promise<void> {
  const timeout = new AbortController();
  const late = sleep(reachTimeoutMs, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(
      `The gateway never came to the point: ${what}.\n${gateway.lines.slice(-30).join("\n")}`,
    );
  });
  try {
    await Promise.race([reached, late]);
  } finally {
    timeout.abort();
    late.catch(() => undefined);
  }
}

/** The witness lines of all spaces. */
function effectsOf(rig: Rig): string[] {
  return readdirSync(`${rig.folders.workspace}/spaces`).flatMap((space) =>
    rig
      .readSpace(space, "effects.log")
      .split("\n")
      .filter((line) => line !== ""),
  );
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(random.below(left.length), 1));
  return out;
}
