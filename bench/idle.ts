import { spawn } from "node:child_process";
import { settledMemoryOf } from "./process-tree.ts";
import type { Memory } from "./process-tree.ts";

/** A Node that only waits, measured as the gateway is: beside the same counterparts, which share its binary. */
export async function bareNodeMemory(): Promise<Memory> {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 2 ** 30)"], {
    stdio: "ignore",
  });
  try {
    return await settledMemoryOf(child.pid ?? 0);
  } finally {
    child.kill("SIGKILL");
  }
}
