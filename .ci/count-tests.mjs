// Prints the closing line of CI from vitest's JSON report, and fails on a failure, on no test at all, and on a skip
// that .ci/may-skip.txt does not name. Arguments: the report, then the names of the steps that failed.
import { existsSync, readFileSync } from "node:fs";

const [report = "", ...failedSteps] = process.argv.slice(2);
const suites = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")).testResults : [];
const tests = suites.flatMap(({ assertionResults }) => assertionResults);
const withStatus = (...wanted) => tests.filter(({ status }) => wanted.includes(status));

const maySkip = readFileSync(new URL("may-skip.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));
const passed = withStatus("passed");
const skipped = withStatus("pending", "skipped", "todo", "disabled");
// A file that could not even be loaded has no tests to fail.
const brokenFiles = suites.filter(
  ({ status, assertionResults }) =>
    status === "failed" && !assertionResults.some((test) => test.status === "failed"),
);

const problems = [
  ...failedSteps.map((step) => `Failed step: ${step}`),
  ...brokenFiles.map(({ name, message }) => `Failed file: ${name} ${message ?? ""}`),
  ...withStatus("failed").map(({ fullName }) => `Failed test: ${fullName}`),
  ...skipped
    .filter(({ fullName }) => !maySkip.includes(fullName))
    .map(({ fullName }) => `Skipped, and .ci/may-skip.txt does not name it: ${fullName}`),
  ...(passed.length === 0 ? ["No test passed."] : []),
];

const failures = withStatus("failed").length + brokenFiles.length;
console.log(`\n${problems.join("\n")}`);
console.log(`${passed.length} passed, ${failures} failed, ${skipped.length} skipped`);
process.exitCode = problems.length === 0 ? 0 : 1;
