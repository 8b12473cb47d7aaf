import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { estimateTokenCount } from "tokenx";
import { afterEach, expect, test } from "vitest";
import type { ToolSpec } from "../../src/contracts/model.ts";
import {
  eventually,
  type Gateway,
  type GatewayOptions,
  openGateway,
  processesWith,
} from "../sandbox/gateway.ts";

const open: Gateway[] = [];
const start = async (options: GatewayOptions = {}): Promise<Gateway> => {
  const gateway = await openGateway(options);
  open.push(gateway);
  return gateway;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((gateway) => gateway.close()));
});

const hostile = join(import.meta.dirname, "hostile-server.ts");
/** The servers of a gateway's spaces: their settings stand in their command line. */
const servers = (gateway: Gateway): number[] => processesWith(`"root":"${gateway.workspace}"`);

test("the tools are the listed ones, in order, byte for byte, and cheap", async () => {
  const gateway = await start();
  const first = (await gateway.request({ do: "tools" }).answer).text;
  const tools = JSON.parse(first) as ToolSpec[];
  expect(tools.map(({ name }) => name)).toEqual([
    "read_file",
    "write_file",
    "edit_file",
    "list_files",
    "search_files",
    "run_command",
  ]);
  expect((await gateway.request({ do: "tools" }).answer).text).toBe(first);
  const asSent = tools.map(({ name, description, inputSchema }) => ({
    name,
    description,
    inputSchema,
  }));
  expect(estimateTokenCount(JSON.stringify(asSent))).toBeLessThan(900);
  expect(first).not.toContain("$schema");
  // nothing was started for it
  expect(servers(gateway)).toEqual([]);
});

test("without confinement there is no run_command, and asking for it by hand fails", async () => {
  const gateway = await start({ confine: "none" });
  const { text } = await gateway.request({ do: "tools" }).answer;
  expect(text).not.toContain("run_command");
  expect(text).toContain("read_file");
  expect((await gateway.call("run_command", { command: "id" })).failed).toBe(true);
});

test("a process is started on first use, serves on, and ends when idle", async () => {
  const gateway = await start({ idleMs: 300 });
  expect(servers(gateway)).toEqual([]);
  await gateway.call("list_files", {});
  const first = servers(gateway);
  expect(first.length).toBe(1);
  await gateway.call("list_files", {});
  expect(servers(gateway)).toEqual(first);
  expect(await eventually(() => servers(gateway).length === 0)).toBe(true);
  expect((await gateway.call("list_files", {})).failed).toBe(false);
});

test("at most so many processes; the longest idle one makes room, a busy one is waited for", async () => {
  const gateway = await start({ maxProcesses: 2 });
  const slow = gateway.request({
    do: "call",
    tool: "run_command",
    input: { command: "sleep 1; echo slow" },
    space: "one",
  });
  for (const space of ["two", "three", "four", "two"]) {
    expect((await gateway.call("list_files", {}, space)).failed).toBe(false);
    expect(servers(gateway).length).toBeLessThanOrEqual(2);
  }
  expect((await slow.answer).text).toContain("slow");
});

test("a sandbox that dies during a call leaves its outcome unknown, and the next call works", async () => {
  const gateway = await start();
  await gateway.call("write_file", { path: "a.txt", content: "kept" });
  const [pid = 0] = servers(gateway);
  const running = gateway.request({
    do: "call",
    tool: "run_command",
    input: { command: `sleep 61.${gateway.pid}` },
  });
  expect(await eventually(() => processesWith(`sleep 61.${gateway.pid}`).length > 0)).toBe(true);
  process.kill(pid, "SIGTERM");
  const { failed, text } = await running.answer;
  expect(failed).toBe(true);
  expect(text).toContain("outcome is unknown");
  expect((await gateway.call("read_file", { path: "a.txt" })).text).toBe("kept");
  expect(processesWith(`sleep 61.${gateway.pid}`)).toEqual([]);
});

test("stop ends every process and command", async () => {
  const gateway = await start();
  const running = gateway.request({
    do: "call",
    tool: "run_command",
    input: {
      command: `trap '' TERM HUP; setsid sleep 62.${gateway.pid} & sleep 62.${gateway.pid}`,
    },
  });
  await gateway.call("list_files", {}, "two");
  expect(await eventually(() => processesWith(`sleep 62.${gateway.pid}`).length > 1)).toBe(true);
  await gateway.request({ do: "stop" }).answer;
  expect(servers(gateway)).toEqual([]);
  expect(processesWith(`sleep 62.${gateway.pid}`)).toEqual([]);
  expect((await running.answer).failed).toBe(true);
  expect((await gateway.call("list_files", {})).failed).toBe(true);
});

test("names of spaces that are no names are refused", async () => {
  const gateway = await start({ confine: "none" });
  for (const space of ["../main", "a/b", "", ".", "global", "x".repeat(65), "a b"]) {
    const { failed } = await gateway.call("write_file", { path: "a.txt", content: "x" }, space);
    expect({ space, failed }).toEqual({ space, failed: true });
  }
  expect(existsSync(join(gateway.workspace, "a.txt"))).toBe(false);
});

test("persona files are joined in their order, and a workspace without any has none", async () => {
  const gateway = await start();
  expect((await gateway.request({ do: "persona" }).answer).text).toBe("Be kind.\n\nCurious.");
  writeFileSync(join(gateway.workspace, "SOUL.md"), "");
  writeFileSync(join(gateway.workspace, "AGENTS.md"), "");
  expect((await gateway.request({ do: "persona" }).answer).text).toBe("");
});

test("an attachment of many megabytes arrives as it was", async () => {
  const gateway = await start();
  const data = "0123456789abcdef".repeat(1_000_000);
  const input = { name: "big.bin", data };
  const { text } = await gateway.request({ do: "upload", input }).answer;
  expect(text).toBe("inbox/big.bin");
  const stored = readFileSync(join(gateway.workspace, "spaces/main/inbox/big.bin"), "utf8");
  expect(stored === data).toBe(true);
});

test.each(["garbage", "endless", "chatty", "misshapen", "crashing"])(
  "a sandbox that is %s fails the call with a sentence, and is gone",
  async (space) => {
    const gateway = await start({ launcher: hostile });
    const { failed, text } = await gateway.call("read_file", { path: "a" }, space);
    expect(failed).toBe(true);
    expect(text).toContain("outcome is unknown");
    expect(
      await eventually(() => processesWith(`--workspace=${gateway.workspace}`).length === 0),
    ).toBe(true);
    expect((await gateway.request({ do: "confinement" }).answer).failed).toBe(false);
  },
);

test("a sandbox that says nothing does not hold up a turn that is stopped, nor the stop", async () => {
  const gateway = await start({ launcher: hostile });
  for (const space of ["silent", "hanging"]) {
    const { id, answer } = gateway.request({
      do: "call",
      tool: "read_file",
      input: { path: "a" },
      space,
    });
    expect(
      await eventually(() => processesWith(`--workspace=${gateway.workspace}`).length > 0),
    ).toBe(true);
    await gateway.request({ do: "abort", target: id }).answer;
    expect((await answer).text).toBe("stopped by the user");
  }
  await gateway.request({ do: "stop" }).answer;
  expect(processesWith(`--workspace=${gateway.workspace}`)).toEqual([]);
});

test("a sandbox that asks for things, or is noisy, gets nothing and is bounded in the log", async () => {
  const gateway = await start({ launcher: hostile });
  expect((await gateway.call("read_file", { path: "a" }, "asking")).text).toBe("asked");
  expect((await gateway.call("read_file", { path: "a" }, "noisy")).text).toBe("said");
  expect(await eventually(() => gateway.log().includes("noise"))).toBe(true);
  await gateway.request({ do: "stop" }).answer;
  expect(gateway.log().split("noise").length).toBeLessThanOrEqual(51);
});

test("a sandbox that does not start says so", async () => {
  const gateway = await start({ launcher: hostile });
  const { failed, text } = await gateway.call("read_file", { path: "a" }, "exits");
  expect(failed).toBe(true);
  expect(text).toContain("could not start");
});

test("a space that is a link, and a launcher that is missing, are refused with a reason", async () => {
  const gateway = await start({ confine: "none" });
  mkdirSync(join(gateway.workspace, "spaces"), { recursive: true });
  writeFileSync(join(gateway.workspace, "spaces/file"), "");
  expect((await gateway.call("list_files", {}, "file")).text).toContain("could not start");
  const broken = await start({ launcher: "/nonexistent/launch.ts" });
  const { text } = await broken.request({ do: "confinement" }).answer;
  expect(JSON.parse(text)).toMatchObject({ by: "none", runsCommands: false });
});
