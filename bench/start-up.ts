import { spawn } from "node:child_process";
import { once } from "node:events";
import { sharedNowMs } from "../tests/support/counterparts/remote.ts";
import type { Rig } from "../tests/support/rig.ts";
import { median } from "./statistics.ts";

/** Spawn to end of a Node that does nothing, in ms: the median of `times`. */
export async function bareNodeStart(times: number): Promise<number> {
  const tookMs: number[] = [];
  for (let index = 0; index < times; index += 1) {
    const before = sharedNowMs();
    const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
    await once(child, "exit");
    tookMs.push(sharedNowMs() - before);
  }
  return median(tookMs);
}

/** Spawn to the first getUpdates, as Telegram sees it, in ms: the median of `times`, after one start that warms up. */
export async function startToFirstPoll(rig: Rig, times: number): Promise<number> {
  const tookMs: number[] = [];
  for (let index = 0; index <= times; index += 1) {
    await rig.telegram.remote.forgetCalls();
    const before = sharedNowMs();
    const gateway = await rig.start();
    const [poll] = await rig.telegram.remote.calls("getUpdates");
    if (index > 0) tookMs.push((poll?.atMs ?? Number.NaN) - before);
    await gateway.stop();
  }
  return median(tookMs);
}
