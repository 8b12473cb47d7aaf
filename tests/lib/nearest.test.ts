import { expect, test } from "vitest";
import { nearest } from "../../src/lib/nearest.ts";

test.each([
  ["modle", "model"],
  ["max_step", "max_steps"],
  ["Owner", "owner"],
  ["opnai", "openai"],
])("%s is a slip for %s", (typed, meant) => {
  expect(nearest(typed, ["owner", "openai", "model", "max_steps", "base_url"])).toBe(meant);
});

test("something altogether else has no neighbour", () => {
  expect(nearest("colour", ["owner", "model"])).toBeUndefined();
  expect(nearest("x".repeat(100_000), ["owner"])).toBeUndefined();
  expect(nearest("a", [])).toBeUndefined();
});
