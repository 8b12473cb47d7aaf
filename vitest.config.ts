import { defineConfig } from "vitest/config";

const report = process.env["BARNACLE_TEST_REPORT"];

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: ["tests/appliance/**"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ["default"] : ["default", "json"],
    outputFile: report === undefined ? {} : { json: report },
  },
});
