import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { openRig } from "../support/rig.ts";
import type { Rig } from "../support/rig.ts";
import { readState } from "../support/state-reader.ts";

const isRoot = process.getuid?.() === 0;

/** A file system of its own for the state, so that filling it harms nobody else. */
function mountSmall(folder: string, megabytes: number): boolean {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder], {
      stdio: "pipe",
    });
    return true;
  } catch {
    return false; // no right to mount: the caller skips, and says so
  }
}

const probe = mkdtempSync(join(tmpdir(), "barnacle-mount-probe-"));
const canMount = isRoot && mountSmall(probe, 1);
if (canMount) execFileSync("umount", [probe]);
rmdirSync(probe);

describe("the state's disk", () => {
  let rig: Rig;
  afterEach(async () => await rig?.stop());

  async function openSmall(): Promise<void> {
    rig = await openRig();
    const { state } = rig.folders;
    if (!mountSmall(state, 8)) throw new Error("The tmpfs could not be mounted.");
    rig.atEnd(() => execFileSync("umount", [state]));
  }

  /** Leaves no byte free. */
  function fill(): void {
    const { bavail, bsize } = statfsSync(rig.folders.state);
    const chunk = new Uint8Array(bsize);
    for (let left = bavail + 4; left > 0; left -= 1) {
      try {
        writeFileSync(join(rig.folders.state, "filler"), chunk, { flag: "a" });
      } catch {
        return; // full, as wanted
      }
    }
  }

  test.runIf(canMount)(
    "full: nothing is confirmed that is not stored, operator and user are told, and all is answered when space returns",
    async () => {
      await openSmall();
      const gateway = await rig.start();
      await rig.say(1001, "echo before", { includes: "echo before" });
      await rig.settled();
      fill();
      const { updateId } = await rig.telegram.remote.inject({
        from: 1001,
        text: "echo while-full",
      });
      const told = await rig.telegram.remote.waitForMessages({
        chat: 1001,
        includes: "store",
        timeoutMs: 20_000,
      });
      expect(told.map(({ text }) => text).join()).toMatch(/disk|full|read-only/i);
      expect(gateway.lines.join("\n")).toMatch(/disk is full|cannot be written/i);
      expect((await rig.telegram.remote.queue()).confirmedUpTo).toBeLessThan(updateId);
      expect(gateway.running()).toBe(true);

      rmSync(join(rig.folders.state, "filler"));
      await rig.telegram.remote.waitForMessages({
        chat: 1001,
        includes: "echo while-full",
        timeoutMs: 30_000,
      });
      await rig.settled();
      const texts = (await rig.telegram.remote.messages(1001)).map(({ text }) => text);
      expect(texts.filter((text) => text.includes("echo while-full"))).toHaveLength(1);
      expect((await gateway.stop()).code).toBe(0);
      expect(readState(rig.folders.state).integrity).toBe("ok");
    },
    90_000,
  );

  test.runIf(canMount)(
    "full in the middle of turns, again and again: no damage, every message answered, no effect twice",
    async () => {
      await openSmall();
      const gateway = await rig.start();
      for (let round = 0; round < 4; round += 1) {
        const point = (["request received", "mid-stream", "last byte", "mid-stream"] as const)[
          round
        ]!;
        const marker = `round-${round}`;
        const rule = await rig.model.remote.arm({ point, match: marker, action: "hold" });
        const reached = rig.model.nextEvent(
          (event) => event.type === "reached",
          15_000,
          `${point} of ${marker}`,
        );
        await rig.telegram.remote.inject({ from: 1001, text: `tool ${marker}` });
        await reached;
        fill();
        await rig.model.remote.release(rule, "go");
        await new Promise((resolve) => setTimeout(resolve, 1500));
        rmSync(join(rig.folders.state, "filler"), { force: true });
        await rig.telegram.remote.waitForMessages({
          chat: 1001,
          includes: marker,
          timeoutMs: 30_000,
        });
      }
      await rig.settled();
      const lines = rig.readSpace("main", "effects.log").split("\n").filter(Boolean);
      expect(new Set(lines).size).toBe(lines.length);
      expect((await gateway.stop()).code).toBe(0);
      const state = readState(rig.folders.state);
      expect(state.integrity).toBe("ok");
      expect(state.inbox.map((row) => row.state)).toEqual([
        "answered",
        "answered",
        "answered",
        "answered",
      ]);
      const calls = await rig.model.remote.calls();
      expect(calls.flatMap(({ complaint }) => complaint ?? [])).toEqual([]);
    },
    180_000,
  );

  test.runIf(canMount)(
    "read-only from the start: the gateway says so and does not pretend to run",
    async () => {
      await openSmall();
      const first = await rig.start();
      await rig.say(1001, "echo before", { includes: "echo before" });
      await first.stop();
      execFileSync("mount", ["-o", "remount,ro", rig.folders.state]);
      const second = rig.launch();
      const exit = await Promise.race([
        second.exited,
        new Promise<undefined>((resolve) => setTimeout(resolve, 15_000, undefined)),
      ]);
      expect(exit?.code).not.toBe(0);
      expect(exit).toBeDefined();
      expect(second.lines.join("\n")).toMatch(
        /read-only|cannot be (?:written|opened)|not writable/i,
      );
      expect(second.lines.join("\n")).not.toMatch(/^\s+at /m);
      execFileSync("mount", ["-o", "remount,rw", rig.folders.state]);
      await rig.start();
      await rig.say(1001, "echo again", { includes: "echo again" });
    },
    60_000,
  );

  test.runIf(!isRoot)(
    "without the right to write into the folder: a sentence, no damage, and it works once the right is back",
    async () => {
      rig = await openRig();
      const first = await rig.start();
      await rig.say(1001, "echo before", { includes: "echo before" });
      await first.stop();
      chmodSync(rig.folders.state, 0o500);
      const second = rig.launch();
      const exit = await second.exited;
      chmodSync(rig.folders.state, 0o700);
      expect(exit.code).not.toBe(0);
      expect(second.lines.join("\n")).toMatch(/state/i);
      await rig.start();
      await rig.say(1001, "echo again", { includes: "echo again" });
    },
    60_000,
  );
});

if (isRoot && !canMount) {
  process.stdout.write("mount -t tmpfs is refused here, so the full disk was not tested.\n");
}
