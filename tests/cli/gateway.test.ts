import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { startTelegram, type Telegram } from "../support/counterparts/telegram.ts";
import { type GatewayProcess, startGateway } from "../support/gateway-process.ts";
import { barnacle, dataOf, setup } from "./support/run.ts";

const patience = { timeout: 20_000, interval: 50 };
const llm = { provider: "offline" };
const bad = { lm: llm, channel: { type: "telegrm" }, log: { level: "loud" } };

let telegram: Telegram;
beforeAll(async () => {
  telegram = await startTelegram();
});
afterAll(async () => await telegram.stop());

const gateways: GatewayProcess[] = [];
afterEach(async () => {
  await Promise.all(gateways.splice(0).map(async (one) => await one.kill()));
});

function good(over: Record<string, unknown> = {}): Record<string, unknown> {
  const { apiRoot, token } = telegram;
  return {
    llm,
    channel: { type: "telegram", token, api_root: apiRoot, allowed_users: [5] },
    ...over,
  };
}

function start(folder: string, ...args: string[]): GatewayProcess {
  const gateway = startGateway({
    config: join(folder, "config.json"),
    state: join(folder, "state"),
    workspace: join(folder, "workspace"),
    args,
  });
  gateways.push(gateway);
  return gateway;
}

async function untilConnected(gateway: GatewayProcess): Promise<void> {
  await vi.waitFor(() => {
    expect(gateway.lines.join("\n")).toContain('"msg":"connected"');
  }, patience);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("a wrong configuration exits 78 with a sentence for every mistake", async () => {
  const { folder } = setup(bad);
  const { code, out, error } = await barnacle(["gateway"], { cwd: folder });
  expect({ code, out }).toEqual({ code: 78, out: "" });
  expect(error).toContain('lm: is not a known key; did you mean "llm"?');
  expect(error).toContain('did you mean "telegram"?');
  expect(error).toContain("log.level: must be");
  expect(error).toContain('run "barnacle config check"');
  expect(error).not.toMatch(/^\s+at /m);
});

test("without a configuration it exits 78, says what is missing once, and how to go on", async () => {
  const { folder } = setup();
  const { code, error } = await barnacle(["gateway"], { cwd: folder });
  expect(code).toBe(78);
  expect(error.split("config.json")).toHaveLength(2);
  expect(error).toContain("barnacle try");
});

test("supervised it stays up unhealthy, tells the mistakes, and goes on once the file is right", async () => {
  const { folder, config } = setup(bad);
  const gateway = start(folder, "--supervised");
  await vi.waitFor(
    () => expect(existsSync(join(folder, "state/health.sock"))).toBe(true),
    patience,
  );
  const ill = await barnacle(["health"], { cwd: folder });
  expect(ill.code).toBe(1);
  expect(ill.out).toContain("config-error");
  expect(ill.out).toContain('did you mean "llm"?');
  const json = await barnacle(["health", "--json"], { cwd: folder });
  expect(json.code).toBe(1);
  expect(dataOf(json)).toMatchObject({
    status: "config-error",
    mistakes: expect.arrayContaining([expect.stringContaining("channel.type")]),
  });

  writeFileSync(config, JSON.stringify(good()));
  await untilConnected(gateway);
  await vi.waitFor(async () => {
    expect(await barnacle(["health"], { cwd: folder })).toMatchObject({ code: 0 });
  }, patience);
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });
});

test("a refused token ends it with 5 and a sentence", async () => {
  const { apiRoot } = telegram;
  const { folder } = setup(
    good({ channel: { type: "telegram", token: "123456:wrong-one", api_root: apiRoot } }),
  );
  const { code, error } = await barnacle(["gateway"], { cwd: folder });
  expect(code).toBe(5);
  expect(error).toMatch(/^The channel telegram refused to connect: .*token/m);
  expect(error).not.toContain("wrong-one");
});

test("a second gateway on the same state, and a chat beside it, exit 9", async () => {
  const { folder } = setup(good());
  await untilConnected(start(folder));
  for (const words of [["gateway"], ["chat"], ["ask", "hi"]]) {
    const second = await barnacle(words, { cwd: folder });
    expect(second.code).toBe(9);
    expect(second.error).toContain("Another gateway works on");
  }
});

test("health is served on the configured port, and SIGTERM ends it with 0", async () => {
  const port = await freePort();
  const { folder } = setup(good({ health: { port } }));
  const gateway = start(folder);
  await untilConnected(gateway);
  for (const path of ["health", "ready"]) {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: "ok",
      channels: { telegram: { up: true, account: telegram.botName } },
    });
  }
  expect((await fetch(`http://127.0.0.1:${port}/state`)).status).toBe(404);
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });
  expect((await barnacle(["health"], { cwd: folder })).code).toBe(1);
});

test("without a channel it starts only when told to", async () => {
  const { folder } = setup({ llm });
  const refused = await barnacle(["gateway"], { cwd: folder });
  expect(refused).toMatchObject({ code: 78 });
  expect(refused.error).toContain("channel: is missing");
  expect(await barnacle(["config", "check"], { cwd: folder })).toMatchObject({ code: 78 });
  expect(await barnacle(["config", "check", "--allow-empty"], { cwd: folder })).toMatchObject({
    code: 0,
  });
  const gateway = start(folder, "--allow-empty");
  await vi.waitFor(() => {
    expect(gateway.lines.join("\n")).toContain("gateway started");
  }, patience);
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });
});

test("doctor changes nothing, and lists each mistake of the configuration by itself", async () => {
  const { folder } = setup(bad);
  const { code, out } = await barnacle(["doctor", "--offline"], { cwd: folder });
  expect(code).toBe(78);
  expect(out.match(/^FAIL +config/gm)?.length).toBeGreaterThanOrEqual(3);
  expect(existsSync(join(folder, "state"))).toBe(false);
});

test("the help of every command names the folders it works on, and has an example", async () => {
  const { folder } = setup();
  for (const words of [["people", "list"], ["config", "check"], ["usage"]]) {
    const { code, out } = await barnacle([...words, "--help"], { cwd: folder });
    expect(code).toBe(0);
    expect(out).toContain("--config <file>");
    expect(out).toContain("--state <dir>");
    expect(out).toContain(`Examples:\n  barnacle ${words.join(" ")}`);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  }
});
