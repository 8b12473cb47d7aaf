import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { settledMemoryOf } from "./process-tree.ts";
import type { Memory } from "./process-tree.ts";

/**
 * A Node of one's own: processes of one binary share its pages, and PSS divides those among them, so that the figures
 * would hang on what else runs on the machine.
 */
export function ownNode(folder: string): string {
  const node = join(folder, "node");
  copyFileSync(process.execPath, node);
  return node;
}

/** A Node that only waits. */
export async function bareNodeMemory(node: string): Promise<Memory> {
  const child = spawn(node, ["-e", "setInterval(() => {}, 2 ** 30)"], {
    stdio: "ignore",
  });
  try {
    return await settledMemoryOf(child.pid ?? 0);
  } finally {
    child.kill("SIGKILL");
  }
}
