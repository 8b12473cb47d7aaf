import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  copyBundle,
  copyNode,
  findOldNode,
  makeFolder,
  root,
  run,
  start,
} from "./support/bundle.ts";

const offline = ["try", "--provider", "offline"];
const oldNode = findOldNode();

let folder = "";

beforeEach(() => {
  folder = makeFolder();
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** State and workspace of their own, so that nothing depends on where the bundle stands. */
function places(): Record<string, string> {
  return {
    BARNACLE_STATE: join(folder, "state"),
    BARNACLE_WORKSPACE: join(folder, "workspace"),
  };
}

describe("the bundle, alone in a folder", () => {
  test("answers a message with nothing but Node 24 beside it", async () => {
    const bundle = copyBundle(folder);
    const result = await run(process.execPath, [join(bundle, "barnacle.js"), ...offline], {
      input: "list my files\n",
      env: places(),
    });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("welcome.md");
    expect(result.stderr).not.toContain("DeprecationWarning");
  });

  test("works for a user who can write neither it nor its compile cache", async () => {
    const bundle = copyBundle(folder);
    const node = copyNode(folder);
    const before = readdirSync(join(bundle, ".cache"));
    const result = await run(node, [join(bundle, "barnacle.js"), ...offline], {
      input: "list my files\n",
      env: places(),
      unprivileged: true,
    });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("welcome.md");
    expect(readdirSync(join(bundle, ".cache"))).toEqual(before);
  });

  test("was built with a filled compile cache", () => {
    const cache = join(root, "dist/.cache");
    const entries = readdirSync(cache, { recursive: true });
    expect(entries.length).toBeGreaterThan(5);
  });

  test("keeps the SDKs of channels and providers in chunks of their own", () => {
    const dist = join(root, "dist");
    const entry = staticImports(join(dist, "cli.js"));
    const text = [...entry].map((file) => readFileSync(file, "utf8")).join("\n");
    expect(entry.size).toBeGreaterThan(0);
    const everything = readdirSync(dist)
      .filter((name) => name.endsWith(".js"))
      .map((name) => readFileSync(join(dist, name), "utf8"))
      .join("\n");
    for (const ofAnSdk of ["Network request for '", "AnthropicError", "OpenAIError"]) {
      expect([ofAnSdk, everything.includes(ofAnSdk)]).toEqual([ofAnSdk, true]);
      expect([ofAnSdk, text.includes(ofAnSdk)]).toEqual([ofAnSdk, false]);
    }
  });
});

describe.skipIf(oldNode === undefined)("started by a Node below 24", () => {
  const node = oldNode ?? "";

  test("it goes on in the pinned Node 24, with its arguments, input and exit code", async () => {
    const entry = checkout();
    const result = await run(node, [entry, ...offline], {
      input: "list my files\n",
      env: places(),
    });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("welcome.md");
    expect((await run(node, [entry, "no-such-command"])).code).toBe(2);
  });

  test("it stays the same process, so that kill -9 leaves nothing behind", async () => {
    const child = start(node, [checkout(), ...offline], { env: places() });
    await programOf(String(child.pid), /node-linux-\w+\/bin\/node$/);
    child.kill("SIGKILL");
    const [, signal] = (await once(child, "close")) as [null, string];
    expect(signal).toBe("SIGKILL");
  });

  test("without the native addon a child takes its place, and dies with it", async () => {
    const entry = checkout();
    const dist = join(folder, "dist");
    for (const name of readdirSync(dist)) {
      if (/^koffi-.*\.node$/.test(name)) rmSync(join(dist, name));
    }
    expect((await run(node, [entry, "no-such-command"])).code).toBe(2);

    const parent = start(node, [entry, ...offline], { env: places() });
    const child = await firstChild(String(parent.pid));
    await programOf(child, /node-linux-\w+\/bin\/node$/);
    await once(parent.stderr ?? parent, "data"); // it runs our code by now
    parent.kill("SIGKILL");
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false);
  });

  test("and no Node 24 beside it, it says what to install and exits 3", async () => {
    const bundle = copyBundle(folder);
    const result = await run(node, [join(bundle, "barnacle.js"), "--version"]);
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(result.stderr).toContain("needs Node 24");
  });
});

test("the entry is a program of its own", async () => {
  mkdirSync(join(folder, "bin"));
  symlinkSync(join(copyBundle(folder), "barnacle.js"), join(folder, "bin/barnacle"));
  const first = readFileSync(join(folder, "bin/barnacle"), "utf8").split("\n")[0];
  expect(first).toBe("#!/usr/bin/env node");
  const result = await run(join(folder, "bin/barnacle"), ["--version"]);
  expect(result.code).toBe(0);
  expect(result.stdout).toMatch(/\d+\.\d+\.\d+/);
});

/** The bundle beside a node_modules, as in a checkout. */
function checkout(): string {
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return join(copyBundle(folder), "barnacle.js");
}

/** The files that load with `file`, itself included. */
function staticImports(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, target = ""] of text.matchAll(/(?:from|import)\s*"(\.\/[^"]+\.js)"/g)) {
    staticImports(join(file, "..", target), seen);
  }
  return seen;
}

async function programOf(pid: string, wanted: RegExp): Promise<void> {
  while (!wanted.test(readlinkSync(`/proc/${pid}/exe`))) await sleep(10);
}

async function firstChild(pid: string): Promise<string> {
  for (;;) {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    if (child) return child;
    await sleep(10);
  }
}

/** A zombie has ended: it only waits to be reaped by whoever adopted it. */
function isAlive(pid: string): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
