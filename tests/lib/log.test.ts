import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createLog } from "../../src/lib/log.ts";
import type { LogOptions } from "../../src/lib/log.ts";
import { createRedactor } from "../../src/lib/redact.ts";
import { Secret } from "../../src/lib/secret.ts";

const canary = "canary-5f1e0c77";

function collecting(options: LogOptions = {}) {
  const lines: string[] = [];
  const log = createLog({ ...options, destination: { write: (line) => void lines.push(line) } });
  return {
    log,
    lines,
    records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

test("a line has level, time, fields and message, and a child's fields too", () => {
  const { log, records } = collecting();
  log
    .child({ channel: "telegram" })
    .warn({ attempt: 2, at: { chat: "7" } }, "send failed, waiting");
  expect(records()).toEqual([
    {
      level: "warn",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      channel: "telegram",
      attempt: 2,
      at: { chat: "7" },
      msg: "send failed, waiting",
    },
  ]);
});

test("levels below the chosen one are left out", () => {
  const { log, lines } = collecting({ level: "warn" });
  log.debug({}, "no");
  log.info({}, "no");
  log.error({}, "yes");
  expect(lines).toHaveLength(1);
  expect(collecting({ level: "silent" }).lines).toEqual([]);
});

test("a registered secret is nowhere in a line: fields, keys, messages, errors, causes, URLs", () => {
  const redactor = createRedactor([canary]);
  const { log, lines } = collecting({ redactor, level: "debug" });
  const cause = new Error(`GET https://api.example/bot${canary}/getUpdates failed`);
  const error = Object.assign(new Error(`no: ${canary}`, { cause }), {
    url: `https://x/${canary}`,
    config: { headers: canary },
    [canary]: 1,
  });
  log.child({ where: canary }).error(
    {
      error,
      [canary]: canary,
      deep: [{ a: { b: canary } }],
      url: new URL(`https://x/?q=${canary}`),
      map: new Map([["k", canary]]),
      basic: Buffer.from(`me:${canary}`).toString("base64"),
      errors: new AggregateError([new Error(canary)], canary),
    },
    `all of ${canary}`,
  );
  const [line = ""] = lines;
  expect(line).toContain("[secret]");
  expect(line).not.toContain(canary);
  expect(line).not.toContain(Buffer.from(canary).toString("base64").slice(4, 16));
});

test("the same line without the redactor has the secret, so the test above can fail", () => {
  const { log, lines } = collecting();
  log.error({ error: new Error(canary) }, canary);
  expect(lines[0]).toContain(canary);
});

test("fields named like secrets are masked even if nobody registered their value; counts of tokens are not", () => {
  const { log, records } = collecting();
  log.info(
    {
      botToken: canary,
      headers: { authorization: canary, "x-api-key": canary, "set-cookie": [canary] },
      api_key: canary,
      password: { inner: canary },
      held: new Secret("env://X", canary),
      inputTokens: 12,
      maxToken: 5,
    },
    "settings",
  );
  expect(JSON.stringify(records())).not.toContain(canary);
  expect(records()[0]).toMatchObject({ held: "[secret]", inputTokens: 12, maxToken: 5 });
});

test("an error is its message and its causes' messages, with a stack only at debug", () => {
  const error = new Error("outer", { cause: new TypeError("inner", { cause: "root" }) });
  const plain = collecting();
  plain.log.error({ error: Object.assign(error, { code: "ECONNRESET" }) }, "failed");
  expect(plain.records()[0]?.["error"]).toEqual({
    type: "Error",
    message: "outer",
    causes: ["TypeError: inner", "root"],
    code: "ECONNRESET",
  });
  const debug = collecting({ level: "debug" });
  debug.log.error({ error }, "failed");
  expect(debug.records()[0]).toMatchObject({
    error: { stack: expect.stringContaining("log.test.ts") },
  });
});

test("whatever is logged, one line of bounded JSON comes out", () => {
  const { log, lines, records } = collecting();
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  const deep = Array.from({ length: 50 }).reduce<unknown>((inner) => ({ inner }), "end");
  log.info(
    {
      circle,
      deep,
      long: "x".repeat(1_000_000),
      list: Array.from({ length: 5000 }),
      big: 10n,
      bytes: new Uint8Array(1000),
      when: new Date(Number.NaN),
      run: () => 1,
      newline: "a\nb",
      msg: "m",
      level: "l",
    },
    "odd\nthings",
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trimEnd().includes("\n")).toBe(false);
  expect(lines[0]?.length).toBeLessThan(12_000);
  expect(records()[0]).toMatchObject({
    level: "info",
    msg: "odd\nthings",
    msg_: "m",
    bytes: "[1000 bytes]",
    big: "10",
  });
});

test("a process that dies right after a line has written it to standard error, and nothing to standard output", () => {
  const log = join(import.meta.dirname, "../../src/lib/log.ts");
  const program = `import { createLog } from ${JSON.stringify(log)}; createLog().error({ n: 1 }, "last words"); process.kill(process.pid, "SIGKILL");`;
  const script = `"$0" --input-type=module -e "$1" 2>&1 >/dev/null; true`;
  const output = execFileSync("sh", ["-c", script, process.execPath, program], {
    encoding: "utf8",
  });
  expect(output).toContain("last words");
});
