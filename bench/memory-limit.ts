import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Rig } from "../tests/support/rig.ts";

export interface LimitFigures {
  readonly asked: number;
  readonly answered: number;
  readonly peakMb: number;
  readonly limitMb: number;
}

interface Group {
  readonly folder: string;
  peakBytes(): number;
}

/** How many of `count` messages are answered by a gateway whose whole tree has `limitMb`; or why that was not measured. */
export async function measureUnderLimit(
  rig: Rig,
  limitMb: number,
  count: number,
): Promise<LimitFigures | string> {
  const group = makeGroup(limitMb);
  if (typeof group === "string") return group;
  try {
    // The copy is made inside the group, so that the pages of Node's binary are charged to it as they would be alone.
    const node = join(rig.folders.root, "node-in-group");
    const enter = `echo $$ > ${group.folder}/cgroup.procs && cp "${process.execPath}" "${node}" && exec "$@"`;
    const prefix = ["/bin/sh", "-c", enter, "sh"];
    const gateway = await rig.start({ prefix, node, timeoutMs: 60_000 });
    let answered = 0;
    for (let index = 0; index < count && gateway.running(); index += 1) {
      const marker = `limit${String(index).padStart(5, "0")}`;
      await rig.telegram.remote.inject({ from: 1001, text: `echo ${marker}` });
      const answers = await rig.telegram.remote.waitForMessages({
        chat: 1001,
        includes: `echo ${marker}`,
        timeoutMs: 15_000,
      });
      answered += answers.length > 0 ? 1 : 0;
    }
    const peakMb = group.peakBytes() / 2 ** 20;
    await gateway.kill();
    return { asked: count, answered, peakMb, limitMb };
  } finally {
    await removeGroup(group.folder);
  }
}

/** A memory cgroup of its own, version 1 or 2; a sentence where this user may not make one. */
function makeGroup(limitMb: number): Group | string {
  const bytes = String(limitMb * 2 ** 20);
  const name = `barnacle-bench-${process.pid}`;
  const v1 = "/sys/fs/cgroup/memory";
  try {
    if (existsSync(join(v1, "memory.limit_in_bytes"))) {
      const folder = join(v1, name);
      mkdirSync(folder);
      writeFileSync(join(folder, "memory.limit_in_bytes"), bytes);
      return {
        folder,
        peakBytes: () => Number(readFileSync(join(folder, "memory.max_usage_in_bytes"), "utf8")),
      };
    }
    const root = "/sys/fs/cgroup";
    if (!readFileSync(join(root, "cgroup.controllers"), "utf8").includes("memory")) {
      return "this kernel offers no memory cgroup";
    }
    writeFileSync(join(root, "cgroup.subtree_control"), "+memory");
    const folder = join(root, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "memory.max"), bytes);
    return { folder, peakBytes: () => Number(readFileSync(join(folder, "memory.peak"), "utf8")) };
  } catch (error) {
    return `a memory cgroup could not be made (${error instanceof Error ? error.message : String(error)}); it needs root`;
  }
}

/** A group can be removed once its processes have ended. */
async function removeGroup(folder: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      rmdirSync(folder);
      return;
    } catch {
      await sleep(100); // still ending
    }
  }
}
