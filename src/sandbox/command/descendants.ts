import { readdirSync, readFileSync } from "node:fs";

/** All that this process has started and that came back to it, in /proc's words. */
export interface Descendant {
  readonly pid: number;
  readonly isZombie: boolean;
}

/** Found by parentage, which nothing escapes: orphans come back to this process, their subreaper. */
export function descendants(): Descendant[] {
  const children = new Map<number, Descendant[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    // "pid (name) state ppid ...", where the name may hold anything
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const parent = Number(fields[1]);
    const siblings = children.get(parent) ?? [];
    siblings.push({ pid: Number(name), isZombie: fields[0] === "Z" || fields[0] === "X" });
    children.set(parent, siblings);
  }
  const found: Descendant[] = [];
  const waiting = [process.pid];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    for (const child of children.get(pid) ?? []) {
      found.push(child);
      waiting.push(child.pid);
    }
  }
  return found;
}

/** Anonymous and shared memory of all descendants, in bytes. */
export function memoryInUse(): number {
  let kilobytes = 0;
  for (const { pid } of descendants()) {
    for (const [, amount] of read(`/proc/${pid}/status`).matchAll(
      /^Rss(?:Anon|Shmem):\s+(\d+)/gm,
    )) {
      kilobytes += Number(amount);
    }
  }
  return kilobytes * 1024;
}

export function signalAll(signal: NodeJS.Signals): void {
  for (const { pid, isZombie } of descendants()) {
    if (!isZombie) send(pid, signal);
  }
}

/**
 * Ends every descendant, whatever it does to live on. With `everybody` (a signal to -1 stays inside the sandbox) the
 * kernel does it in one step that no fork outruns; without, those that outran the first kill are stopped before they
 * are killed. Returns whether none is left.
 */
export function endAll(everybody: boolean): boolean {
  if (!killAll(everybody) && !everybody) stopAll();
  return untilQuiet(() => killAll(everybody));
}

/** Whether there was nobody. */
function killAll(everybody: boolean): boolean {
  if (everybody) send(-1, "SIGKILL");
  const living = descendants().filter(({ isZombie }) => !isZombie);
  for (const { pid } of living) send(pid, "SIGKILL");
  return living.length === 0;
}

/** A stopped process cannot fork. */
function stopAll(): void {
  const stopped = new Set<number>();
  untilQuiet(() => {
    const others = descendants().filter(({ pid, isZombie }) => !isZombie && !stopped.has(pid));
    for (const { pid } of others) {
      send(pid, "SIGSTOP");
      stopped.add(pid);
    }
    return others.length === 0;
  });
}

/** A killed process takes a moment to be gone, and this must not return before. */
const giveUpMs = 3000;
const pauseMs = 2;
const pause = new Int32Array(new SharedArrayBuffer(4));
const quietLooks = 3;

/**
 * Looks until nobody was found several times in a row. Once is not enough: while /proc is read, a parent may be gone
 * before it is reached, and its children then seem to be nobody's.
 */
function untilQuiet(look: () => boolean): boolean {
  const giveUpAt = performance.now() + giveUpMs;
  let quiet = 0;
  while (quiet < quietLooks) {
    quiet = look() ? quiet + 1 : 0;
    if (performance.now() > giveUpAt) return false;
    if (quiet === 0) Atomics.wait(pause, 0, 0, pauseMs);
  }
  return true;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended
  }
}
