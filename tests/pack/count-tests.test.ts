import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const script = join(import.meta.dirname, "../../.ci/count-tests.mjs");

function count(suites: unknown, ...failedSteps: string[]): { code: number | null; last: string } {
  const report = join(mkdtempSync(join(tmpdir(), "count-")), "report.json");
  writeFileSync(report, JSON.stringify({ testResults: suites }));
  const { status, stdout } = spawnSync(process.execPath, [script, report, ...failedSteps], {
    encoding: "utf8",
  });
  return { code: status, last: stdout.trimEnd().split("\n").at(-1) ?? "" };
}

const suite = (...statuses: string[]): unknown => ({
  status: statuses.includes("failed") ? "failed" : "passed",
  name: "a.test.ts",
  assertionResults: statuses.map((status, index) => ({ status, fullName: `test ${index}` })),
});

test("CI passes when every test passed", () => {
  expect(count([suite("passed", "passed")])).toEqual({
    code: 0,
    last: "2 passed, 0 failed, 0 skipped",
  });
});

test("CI fails when a test failed", () => {
  expect(count([suite("passed", "failed")])).toEqual({
    code: 1,
    last: "1 passed, 1 failed, 0 skipped",
  });
});

test("CI fails when a test skipped that has to run there", () => {
  expect(count([suite("passed", "skipped")])).toEqual({
    code: 1,
    last: "1 passed, 0 failed, 1 skipped",
  });
});

test("CI fails when a test file could not be loaded", () => {
  const broken = { status: "failed", name: "b.test.ts", message: "", assertionResults: [] };
  expect(count([suite("passed"), broken])).toEqual({
    code: 1,
    last: "1 passed, 1 failed, 0 skipped",
  });
});

test("CI fails when no test ran, or another step failed", () => {
  expect(count([]).code).toBe(1);
  expect(count([suite("passed")], "npm run check").code).toBe(1);
});
