import { beforeAll, expect, test } from "vitest";
import { openStore } from "../../src/store/open.ts";
import { inbound } from "../support/messages.ts";
import { join } from "node:path";
import { barnacle, dataOf, setup } from "./support/run.ts";

// A state as a gateway leaves it: an owner, a stranger whose message is held, a conversation, a dead letter.

let folder = "";
let dead = 0;

beforeAll(() => {
  folder = setup({
    llm: { provider: "offline" },
    channel: { type: "telegram", token: "1:x", pairing: true },
  }).folder;
  const store = openStore({ folder: join(folder, "state") });
  const person = (id: string, name: string, standing: "owner" | "asked"): void => {
    store.people.put({ channel: "telegram", id, name, standing });
  };
  person("1001", "Ann", "owner");
  person("77", "Bea", "asked");
  store.inbox.accept(
    inbound({ sender: { id: "77", name: "Bea" }, address: { channel: "telegram", chat: "77" } }),
    "held",
  );
  const failed = inbound({ text: "never answered" });
  dead = store.inbox.accept(failed, "waiting")?.seq ?? 0;
  store.inbox.settle(dead, "failed", "The model was away.");
  store.close();
});

const run = (...words: string[]) => barnacle(words, { cwd: folder });

test("people list shows everybody, and with --json with times that can be read", async () => {
  const { code, out } = await run("people", "list");
  expect(code).toBe(0);
  expect(out).toMatch(/telegram +1001 +owner +Ann/);
  expect(out).toMatch(/telegram +77 +asked +Bea/);
  expect(dataOf(await run("people", "list", "--json"))).toEqual([
    {
      number: 1,
      channel: "telegram",
      id: "1001",
      name: "Ann",
      standing: "owner",
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    },
    expect.objectContaining({ id: "77", standing: "asked" }),
  ]);
});

test("approve lets a person in and releases the held message", async () => {
  const result = await run("people", "approve", "telegram", "77", "--json");
  expect(result.code).toBe(0);
  expect(dataOf(result)).toMatchObject({ id: "77", standing: "allowed" });
  const store = openStore({ folder: join(folder, "state") });
  expect(store.inbox.counts()).toMatchObject({ held: 0, waiting: 1 });
  store.close();
});

test("revoke blocks a person", async () => {
  const { code, out } = await run("people", "revoke", "telegram", "77");
  expect({ code, out }).toEqual({ code: 0, out: "Bea (77 on telegram) is blocked now.\n" });
});

test("an owner is not blocked by a slip of the hand, nor made less by an approval", async () => {
  const blocked = await run("people", "revoke", "telegram", "1001");
  expect(blocked.code).toBe(2);
  expect(blocked.error).toContain("is an owner");
  const approved = await run("people", "approve", "telegram", "1001");
  expect(approved).toMatchObject({ code: 0, out: "Ann (1001 on telegram) is owner now.\n" });
});

test.each([
  [["approve", "telegramm", "77"], 'There is no channel "telegramm"'],
  [["approve", "telegram", "@bea"], '"@bea" is not an id of telegram'],
])("people %j is refused with a sentence", async (words, sentence) => {
  const { code, error } = await run("people", ...words);
  expect(code).toBe(2);
  expect(error).toContain(sentence);
});

test("erase asks for --yes and then leaves nothing", async () => {
  const asked = await run("people", "erase", "telegram", "77");
  expect(asked.code).toBe(2);
  expect(asked.error).toContain("--yes");
  expect((await run("people", "erase", "telegram", "77", "--yes")).code).toBe(0);
  expect((await run("people", "list")).out).not.toContain("Bea");
  const again = await run("people", "erase", "telegram", "77", "--yes");
  expect(again).toMatchObject({ code: 0, out: "Nothing was kept about 77 on telegram.\n" });
});

test("people code says that there is none once there is an owner", async () => {
  expect(dataOf(await run("people", "code", "--json"))).toEqual({ code: null });
});

test("a failed message is listed and can be retried once", async () => {
  const listed = await run("sessions", "failed");
  expect(listed.out).toMatch(/NUMBER +SESSION +REASON/);
  expect(listed.out).toContain("The model was away.");
  expect(dataOf(await run("sessions", "failed", "--json"))).toEqual([
    { number: dead, session: "telegram/1001", sender: "1001", reason: "The model was away." },
  ]);
  const retried = await run("sessions", "retry", String(dead));
  expect(retried.code).toBe(0);
  expect((await run("sessions", "failed")).out).toBe("None.\n");
  const again = await run("sessions", "retry", String(dead));
  expect(again.code).toBe(2);
  expect(again.error).toContain("There is no failed message");
});

test("a conversation is listed, shown and exported", async () => {
  expect((await run("ask", "list my files")).out).toContain("welcome.md");
  const listed = dataOf(await run("sessions", "list", "--json")) as readonly object[];
  expect(listed).toContainEqual({
    session: "terminal/terminal",
    turns: expect.any(Number),
    last: expect.stringMatching(/^\d{4}-/),
  });
  for (const name of ["show", "export"]) {
    const { code, out } = await run("sessions", name, "terminal/terminal");
    expect(code).toBe(0);
    expect(out).toContain("# Conversation: terminal");
    expect(out).toContain("list my files");
  }
  const rows = dataOf(await run("sessions", "show", "terminal/terminal", "--json"));
  expect(rows).toContainEqual(expect.objectContaining({ role: "assistant" }));
});

test.each(["nope", "telegram/%zz"])("there is no conversation %j: exit 2", async (session) => {
  const { code, error } = await run("sessions", "show", session);
  expect(code).toBe(2);
  expect(error).toContain(`There is no conversation "${session}"`);
});

test("usage counts what was asked, and refuses days that are none", async () => {
  expect(dataOf(await run("usage", "--days", "2", "--json"))).toMatchObject({
    since: expect.stringMatching(/T00:00:00\.000Z$/),
    models: [{ model: "offline/offline", calls: expect.any(Number), usd: 0 }],
  });
  for (const days of ["x", "0", "-1", "1.5"]) {
    expect(await run("usage", `--days=${days}`)).toMatchObject({ code: 2, out: "" });
  }
});

test("without a state the reading commands exit 3 and make none", async () => {
  const { folder: empty } = setup();
  for (const words of [["people", "list"], ["sessions", "list"], ["usage"]]) {
    const result = await barnacle([...words, "--json"], { cwd: empty });
    expect(result.code).toBe(3);
    expect(JSON.parse(result.out)).toMatchObject({ ok: false, error: { code: "no-state" } });
  }
});
