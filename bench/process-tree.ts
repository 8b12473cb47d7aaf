import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface Memory {
  /** Proportional set size: memory shared with other processes counts in parts. */
  readonly pssKb: number;
  /** What the kernel cannot drop: heap, stacks, buffers. */
  readonly anonymousKb: number;
}

export interface Work {
  readonly cpuMs: number;
  readonly writtenBytes: number;
}

const ticksPerSecond = 100; // USER_HZ of every Linux that Node runs on
const settleStepMs = 500;
/** Longer than the gateway waits before it gives memory back. */
const settleForMs = 6000;
const settleWithinMs = 30_000;

/** The process and all that descends from it, in any order. */
function treeOf(root: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    // The command's name, in brackets, may itself hold spaces and brackets.
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (stat !== "") parents.set(Number(name), parent);
  }
  const tree = [root];
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

/** Of a process tree; or, with its own list, of some of its processes. */
export function memoryOf(root: number, pids: readonly number[] = treeOf(root)): Memory {
  let pssKb = 0;
  let anonymousKb = 0;
  for (const pid of pids) {
    const rollup = read(`/proc/${pid}/smaps_rollup`);
    pssKb += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    anonymousKb += Number(/^Anonymous:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return { pssKb, anonymousKb };
}

/** Memory once it has stayed within 1 % for six seconds: garbage and start-up pages are gone. */
export async function settledMemoryOf(root: number): Promise<Memory> {
  let reference = memoryOf(root);
  let quietMs = 0;
  for (
    let passedMs = 0;
    passedMs < settleWithinMs && quietMs < settleForMs;
    passedMs += settleStepMs
  ) {
    await sleep(settleStepMs);
    const now = memoryOf(root);
    quietMs += settleStepMs;
    if (Math.abs(now.pssKb - reference.pssKb) > reference.pssKb / 100) {
      reference = now;
      quietMs = 0;
    }
  }
  return memoryOf(root);
}

export function workOf(root: number): Work {
  let ticks = 0;
  let writtenBytes = 0;
  for (const pid of treeOf(root)) {
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    writtenBytes += Number(/^write_bytes: (\d+)/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0);
  }
  return { cpuMs: (ticks * 1000) / ticksPerSecond, writtenBytes };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has just ended
  }
}
