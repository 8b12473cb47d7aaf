import { spawn } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import Database from "better-sqlite3";
import { openStore } from "../../src/store/open.ts";
import { barnacleCommand } from "../support/gateway-process.ts";
import { openRig, type Rig } from "../support/rig.ts";

let rig: Rig;
afterEach(async () => await rig?.stop());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Ends it after half a minute: whatever waits for ever shows as code null. */
async function barnacle(...args: readonly string[]): Promise<Ended> {
  const [node = "", script = ""] = barnacleCommand();
  const { config, state, workspace } = rig.folders;
  const places = ["--config", config, "--state", state, "--workspace", workspace];
  const child = spawn(node, [script, ...args, ...places], {
    timeout: 30_000,
    killSignal: "SIGKILL",
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += String(chunk)));
  child.stderr.on("data", (chunk: Buffer) => (err += String(chunk)));
  return await new Promise((resolve) =>
    child.on("close", (code: number | null) => resolve({ code, out, err })),
  );
}

test("a token that the platform refuses ends the gateway with 5 and a sentence", async () => {
  rig = await openRig({ channel: { token: "1:wrong" } });
  const { code, err } = await barnacle("gateway");
  expect(err).toMatch(/refused/);
  expect(code).toBe(5);
}, 40_000);

test("ask ends with a sentence when the question cannot be stored", async () => {
  rig = await openRig();
  openStore({ folder: rig.folders.state }).close();
  const db = new Database(join(rig.folders.state, "barnacle.db"));
  db.exec("CREATE TRIGGER full BEFORE INSERT ON inbox BEGIN SELECT RAISE(ABORT, 'no room'); END");
  db.close();
  const { code, err } = await barnacle("ask", "hello");
  expect(err).toContain("no room");
  expect(code).toBe(1);
}, 40_000);

test("what somebody wrote cannot steer the terminal of the operator who reads it", async () => {
  rig = await openRig();
  const store = openStore({ folder: rig.folders.state });
  const at = { channel: "telegram", chat: "1" };
  const text = "\u001B]0;owned\u0007\u001B[2Jwords";
  store.history.append(at, 1, { role: "user", content: [{ type: "text", text }] }, 1);
  store.close();
  const { code, out } = await barnacle("sessions", "show", "telegram/1");
  expect(out).toContain("words");
  expect(out).not.toContain("\u001B");
  expect(code).toBe(0);
}, 40_000);

test("doctor makes no state folder", async () => {
  rig = await openRig();
  const { out } = await barnacle("doctor", "--offline");
  expect(out).toMatch(/state .*can be made/);
  expect(statSync(rig.folders.state, { throwIfNoEntry: false })).toBeUndefined();
}, 40_000);

test("the health socket is for this user alone, in a folder that is open to all", async () => {
  rig = await openRig();
  mkdirSync(rig.folders.state, { mode: 0o755 });
  writeFileSync(join(rig.folders.state, "health.sock"), ""); // left by a killed predecessor
  await rig.start();
  await rig.say(1001, "echo up", { includes: "echo up" });
  const { mode } = statSync(join(rig.folders.state, "health.sock"));
  expect((mode & 0o777).toString(8)).toBe("600");
}, 40_000);

test("approving the owner does not take the bot from them", async () => {
  rig = await openRig();
  const store = openStore({ folder: rig.folders.state });
  store.people.put({ channel: "telegram", id: "8", name: "Ann", standing: "owner" });
  const { out } = await barnacle("people", "approve", "telegram", "8");
  expect(out).toContain("is owner now");
  expect(store.people.find("telegram", "8")?.standing).toBe("owner");
  store.close();
}, 40_000);
