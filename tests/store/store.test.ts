import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHistory } from "../../src/store/history.ts";
import { createInbox } from "../../src/store/inbox.ts";
import { createMedia } from "../../src/store/media.ts";
import { createOutbox } from "../../src/store/outbox.ts";
import { openStore } from "../../src/store/open.ts";
import { lockState } from "../../src/store/lock.ts";
import type { Store } from "../../src/contracts/store.ts";
import { inbound } from "../support/messages.ts";

let folder: string;
let store: Store;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "barnacle-store-"));
  store = openStore({ folder });
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const at = inbound().address;

test("a redelivered message is accepted once", () => {
  const message = inbound();
  expect(store.inbox.accept(message, "waiting")).toBeDefined();
  expect(store.inbox.accept(message, "waiting")).toBeUndefined();
  expect(store.inbox.counts().waiting).toBe(1);
});

test("a message comes back as it was said, after a restart too", () => {
  const message = inbound({
    text: "grüße 🐚",
    quoted: { sender: "Bob", text: "hi" },
    attachments: [{ name: "a.pdf", mediaType: "application/pdf", size: 3, ref: "file-1" }],
  });
  const row = store.inbox.accept(message, "waiting");
  store.close();
  store = openStore({ folder });
  expect(store.inbox.get(row?.seq ?? 0)?.message).toEqual(message);
});

test("an edit of a waiting message takes its place; the old version redelivered is not answered again", () => {
  const first = inbound({ text: "one" });
  const second = inbound({ text: "two" });
  store.inbox.accept(first, "waiting");
  store.inbox.accept(second, "waiting");
  const edited = store.inbox.accept({ ...first, version: 5, text: "one, corrected" }, "waiting");
  expect(store.inbox.heads().map(({ message }) => message.text)).toEqual(["one, corrected"]);
  expect(store.inbox.accept(first, "waiting")).toBeUndefined();
  store.inbox.settle(edited?.seq ?? 0, "answered");
  expect(store.inbox.heads().map(({ message }) => message.text)).toEqual(["two"]);
});

test("an edit that changes no words is nothing new; an edit of an answered message is new input", () => {
  const message = inbound({ text: "look at https://example.org" });
  const row = store.inbox.accept(message, "waiting");
  store.inbox.settle(row?.seq ?? 0, "answered");
  expect(store.inbox.accept({ ...message, version: 7 }, "waiting")).toBeUndefined();
  expect(
    store.inbox.accept({ ...message, version: 8, text: "look again" }, "waiting"),
  ).toBeDefined();
});

test("of two edits within one second both count, and neither counts again", () => {
  const message = inbound({ text: "one" });
  store.inbox.accept(message, "waiting");
  const first = { ...message, version: 5000, text: "two" };
  const second = { ...message, version: 5000, text: "three" };
  expect(store.inbox.accept(first, "waiting")).toBeDefined();
  expect(store.inbox.accept(second, "waiting")).toBeDefined();
  expect(store.inbox.accept(first, "waiting")).toBeUndefined();
  expect(store.inbox.accept(second, "waiting")).toBeUndefined();
  expect(store.inbox.heads().map(({ message }) => message.text)).toEqual(["three"]);
});

test("what is left silent keeps the decision, not the words", () => {
  store.inbox.accept(inbound({ text: "a stranger's secret" }), "ignored");
  store.close();
  const db = new Database(join(folder, "barnacle.db"), { readonly: true });
  const bodies = JSON.stringify(db.prepare("SELECT * FROM inbox").all());
  db.close();
  store = openStore({ folder });
  expect(bodies).not.toContain("secret");
});

test("a killed run's messages wait again, with the attempt counted; progress clears the count", () => {
  const seq = store.inbox.accept(inbound(), "waiting")?.seq ?? 0;
  store.inbox.claim(seq);
  store.close();
  store = openStore({ folder });
  expect(store.inbox.recover()).toBe(1);
  expect(store.inbox.claim(seq).attempts).toBe(2);
  store.history.append(at, seq, { role: "assistant", text: "", calls: [] }, 1);
  expect(store.inbox.get(seq)?.attempts).toBe(0);
});

test("each address has its own queue, in order of arrival", () => {
  const elsewhere = { channel: "telegram", chat: "2" };
  store.inbox.accept(inbound({ text: "a1" }), "waiting");
  store.inbox.accept(inbound({ text: "a2" }), "waiting");
  store.inbox.accept(inbound({ text: "b1", address: elsewhere }), "waiting");
  expect(store.inbox.heads().map(({ message }) => message.text)).toEqual(["a1", "b1"]);
  expect(store.inbox.waitingAt(at)).toBe(2);
});

test("a send that was begun and never recorded is uncertain after a restart, others are not", () => {
  const begun = store.outbox.add(at, { text: "one" }, undefined);
  store.outbox.add({ ...at, chat: "2" }, { text: "two" }, undefined);
  store.outbox.sending(begun);
  store.close();
  store = openStore({ folder });
  expect(store.outbox.recover()).toBe(1);
  expect(store.outbox.next(at)?.uncertain).toBe(true);
  expect(store.outbox.next({ ...at, chat: "2" })?.uncertain).toBe(false);
});

test("files of a reply survive a restart", () => {
  const data = new Uint8Array([1, 2, 3]);
  store.outbox.add(at, { text: "", files: [{ name: "x.bin", mediaType: "x/y", data }] }, undefined);
  store.close();
  store = openStore({ folder });
  expect([...(store.outbox.next(at)?.message.files?.[0]?.data ?? [])]).toEqual([1, 2, 3]);
});

test("pictures in the history come back as they were", () => {
  const data = new Uint8Array([9, 8, 7]);
  store.history.append(
    at,
    1,
    { role: "user", content: [{ type: "image", mediaType: "image/png", data }] },
    10,
  );
  const turn = store.history.view(at).rows[0]?.turn;
  const part = turn?.role === "user" ? turn.content[0] : undefined;
  expect(part?.type === "image" ? [...part.data] : []).toEqual([9, 8, 7]);
});

test("a summary stands for the rows before it in the view, and the rows themselves stay", () => {
  const say = (text: string): number =>
    store.history.append(at, 1, { role: "user", content: [{ type: "text", text }] }, 5).seq;
  say("old");
  const last = say("older part ends here");
  store.history.summarise(at, last, "they talked", 3);
  say("new");
  const view = store.history.view(at);
  expect(view.summary?.text).toBe("they talked");
  expect(view.rows).toHaveLength(1);
  expect(store.history.all(at)).toHaveLength(3);
  store.history.startAnew(at, 2);
  expect(store.history.view(at)).toEqual({ summary: undefined, rows: [] });
  expect(store.history.search(at, "older", 5)).toHaveLength(1);
});

test("a transaction that throws leaves nothing behind", () => {
  expect(() =>
    store.transaction(() => {
      store.inbox.accept(inbound(), "waiting");
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(store.inbox.counts().waiting).toBe(0);
});

test("an erased person is gone from every table, others stay", () => {
  const theirs = inbound({ sender: { id: "7", name: "Eve" }, text: "private words" });
  const seq = store.inbox.accept(theirs, "waiting")?.seq ?? 0;
  store.history.append(
    at,
    seq,
    { role: "user", content: [{ type: "text", text: "private words" }] },
    3,
  );
  const data = new TextEncoder().encode("private words");
  const file = { name: "conversation.md", mediaType: "text/markdown", data };
  store.outbox.add(at, { text: "about private words", files: [file] }, seq);
  store.people.put({ channel: "telegram", id: "7", name: "Eve", standing: "allowed" });
  const other = store.inbox.accept(inbound(), "waiting")?.seq ?? 0;
  store.history.append(at, other, { role: "user", content: [{ type: "text", text: "kept" }] }, 3);
  expect(store.people.erase("telegram", "7")).toBeGreaterThan(3);
  expect(store.history.search(at, "private", 5)).toEqual([]);
  expect(store.history.all(at)).toHaveLength(1);
  expect(store.outbox.pending()).toBe(0);
  expect(store.people.find("telegram", "7")).toBeUndefined();
  const db = new Database(join(folder, "barnacle.db"), { readonly: true });
  expect(db.prepare("SELECT COUNT(*) FROM media").pluck().get()).toBe(0);
  db.close();
});

test("the command line's writing is noticed", () => {
  const before = store.foreignVersion();
  const other = openStore({ folder });
  other.people.put({ channel: "telegram", id: "5", name: "Cy", standing: "allowed" });
  other.close();
  expect(store.foreignVersion()).not.toBe(before);
});

test("one gateway holds the state; its end lets the next one in", async () => {
  const release = await lockState(folder);
  expect(release).toBeDefined();
  expect(await lockState(folder, 100)).toBeUndefined();
  release?.();
  const next = await lockState(folder);
  expect(next).toBeDefined();
  next?.();
});

test("a state written by a newer release is refused with a sentence", () => {
  store.close();
  const db = new Database(join(folder, "barnacle.db"));
  db.pragma("user_version = 999");
  db.close();
  expect(() => openStore({ folder })).toThrow("written by a newer release");
  const repair = new Database(join(folder, "barnacle.db"));
  repair.pragma("user_version = 1");
  repair.close();
  store = openStore({ folder });
});

test("the edit of a held message is held in its place, and is what the owner's word releases", () => {
  const message = inbound({ text: "let me on" });
  store.inbox.accept(message, "held");
  store.inbox.accept({ ...message, version: 5, text: "let me in" }, "ignored");
  store.inbox.release("telegram", "1001", "waiting");
  expect(store.inbox.heads().map((row) => row.message.text)).toEqual(["let me in"]);
});

test("an edit that exchanges the file and keeps the words is new input", () => {
  const file = { name: "a.pdf", mediaType: "application/pdf", size: 3, ref: "1" };
  const message = inbound({ text: "read this", attachments: [file] });
  store.inbox.accept(message, "waiting");
  const other = { ...file, name: "b.pdf" };
  expect(
    store.inbox.accept({ ...message, version: 5, attachments: [other] }, "waiting"),
  ).toBeDefined();
});

test("what is asked for each message reads what is open, not the whole past", () => {
  const asked = new Set<string>();
  const db = new Database(join(folder, "barnacle.db"), {
    verbose: (sql) => asked.add(String(sql)),
  });
  const media = createMedia(db, Date.now);
  const inbox = createInbox(db, Date.now);
  const outbox = createOutbox(db, media, Date.now);
  const seq = inbox.accept(inbound(), "waiting")?.seq ?? 0;
  inbox.heads();
  inbox.waitingAt(at);
  inbox.claim(seq);
  inbox.recover();
  inbox.find(inbound());
  createHistory(db, media, Date.now).view(at);
  outbox.addresses();
  outbox.next(at);
  outbox.pending();
  outbox.recover();
  const plans = [...asked]
    .filter((sql) => /^(SELECT|UPDATE)/.test(sql))
    .map((sql) => {
      const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[];
      return { sql, plan: steps.map(({ detail }) => detail).join("; ") };
    });
  db.close();
  expect(plans.length).toBeGreaterThan(8);
  const slow = plans.filter(
    ({ sql, plan }) =>
      /SCAN (?!outbox USING INDEX outbox_open|head USING INDEX inbox_open)/.test(plan) ||
      (sql.includes("role = 'summary'") && !plan.includes("history_marks")),
  );
  expect(slow).toEqual([]);
});

test("in a folder that somebody else opened to all, the state's files are for this user alone", () => {
  store.close();
  chmodSync(folder, 0o755);
  chmodSync(join(folder, "barnacle.db"), 0o644);
  store = openStore({ folder });
  store.settings.set("a", "b", "c");
  const modes = readdirSync(folder)
    .filter((name) => name.startsWith("barnacle.db"))
    .map((name) => `${name} ${(statSync(join(folder, name)).mode & 0o777).toString(8)}`);
  expect(modes.toSorted()).toEqual([
    "barnacle.db 600",
    "barnacle.db-shm 600",
    "barnacle.db-wal 600",
  ]);
});

test("of many pictures the newest are shown, the older ones named; an export loads none", () => {
  for (let count = 1; count <= 13; count += 1) {
    const data = new Uint8Array([count]);
    const picture = { type: "image", mediaType: "image/png", data } as const;
    store.history.append(at, count, { role: "user", content: [picture] }, 10);
  }
  const shown = store.history
    .view(at)
    .rows.flatMap(({ turn }) => (turn.role === "user" ? turn.content : []))
    .map((part) => (part.type === "image" ? part.data[0] : "left out"));
  expect(shown).toEqual([...Array.from({ length: 8 }, () => "left out"), 9, 10, 11, 12, 13]);
  expect(store.history.ofMessage(1)[0]?.turn).toMatchObject({ content: [{ type: "image" }] });
  const bytes = store.history
    .all(at)
    .flatMap(({ turn }) => (turn.role === "user" ? turn.content : []))
    .map((part) => (part.type === "image" ? part.data.length : -1));
  expect(bytes).toEqual(Array.from({ length: 13 }, () => 0));
});

test("what is silent, sent or old media goes after its time; words, and what is still to be said, stay", () => {
  let time = Date.UTC(2026, 0, 1);
  store.close();
  store = openStore({ folder, now: () => time });
  const data = new Uint8Array([1]);
  const file = { name: "a.bin", mediaType: "x/y", data };
  store.inbox.accept(inbound(), "ignored");
  const seq = store.inbox.accept(inbound({ text: "kept" }), "waiting")?.seq ?? 0;
  // Left unanswered, yet part of the history: what erases a person finds it by this row.
  store.inbox.settle(seq, "ignored");
  const picture = { type: "image", mediaType: "image/png", data } as const;
  const words = { type: "text", text: "kept" } as const;
  store.history.append(at, seq, { role: "user", content: [words, picture] }, 3);
  store.outbox.sent(store.outbox.add(at, { text: "", files: [file] }, seq), "1");
  store.outbox.add(at, { text: "", files: [file] }, seq);
  store.inbox.accept(inbound({ sender: { id: "6", name: "Cy" } }), "held");
  store.people.put({ channel: "telegram", id: "6", name: "Cy", standing: "asked" });
  store.people.told("telegram", "6");

  time += 6 * 24 * 60 * 60_000;
  expect(store.prune(100)).toBe(0);
  time += 30 * 24 * 60 * 60_000;
  expect(store.prune(100)).toBe(6);
  expect(store.inbox.counts()).toMatchObject({ ignored: 2, held: 0 });
  expect(store.people.countUnknown()).toBe(0);
  const turn = store.history.view(at).rows[0]?.turn;
  expect(JSON.stringify(turn)).toMatch(/kept.*no longer kept/);
  expect(store.outbox.next(at)?.message.files?.[0]?.data).toHaveLength(1);
  const db = new Database(join(folder, "barnacle.db"), { readonly: true });
  const left = (table: string): unknown =>
    db.prepare(`SELECT COUNT(*) FROM ${table}`).pluck().get();
  expect([left("outbox"), left("media")]).toEqual([1, 1]);
  db.close();
});
