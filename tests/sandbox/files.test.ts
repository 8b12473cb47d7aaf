import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Gateway, openGateway, plant } from "./gateway.ts";

/** With no wall at all the path jail has to hold alone; with one, the tools have to work behind it. */
describe.each([{ confine: "none" as const }, { confine: "auto" as const }])(
  "file tools with confinement $confine",
  ({ confine }) => {
    let gateway: Gateway;
    let home: string;
    let secret: string;

    beforeAll(async () => {
      gateway = await openGateway({ confine });
      home = join(gateway.workspace, "spaces/main");
      mkdirSync(home, { recursive: true });
      secret = plant(gateway, "secret.txt", "TOP SECRET");
    });
    afterAll(() => gateway.close());

    const call = async (tool: string, input: unknown): Promise<Answer> => gateway.call(tool, input);
    const good = async (tool: string, input: unknown): Promise<string> => {
      const { failed, text } = await call(tool, input);
      expect({ failed, text }).toMatchObject({ failed: false });
      return text;
    };
    const refused = async (tool: string, input: unknown): Promise<string> => {
      const { failed, text } = await call(tool, input);
      expect({ failed, text }).toMatchObject({ failed: true });
      return text;
    };

    test("what is written is read, with the folders made", async () => {
      await good("write_file", { path: "notes/today/list.md", content: "milk\neggs\n" });
      expect(await good("read_file", { path: "notes/today/list.md" })).toBe("milk\neggs");
      expect(await good("read_file", { path: "./notes/../notes/today/list.md" })).toContain("milk");
      expect(await good("read_file", { path: join(home, "notes/today/list.md") })).toContain(
        "eggs",
      );
    });

    test("a long file says how to read on, and the end of it is reached", async () => {
      const lines = Array.from({ length: 5311 }, (_, index) => `line ${index + 1}`);
      await good("write_file", { path: "long.txt", content: lines.join("\n") });
      const first = await good("read_file", { path: "long.txt" });
      expect(first).toMatch(/\[first 2,000 of 5,311 lines; continue with offset 2001\]$/);
      const next = await good("read_file", { path: "long.txt", offset: 2001, limit: 2 });
      expect(next).toBe(
        "line 2001\nline 2002\n[lines 2,001 to 2,002 of 5,311 lines; continue with offset 2003]",
      );
      expect(await good("read_file", { path: "long.txt", offset: 5311 })).toBe("line 5311");
      expect(await refused("read_file", { path: "long.txt", offset: 6000 })).toContain(
        "past the end",
      );
    });

    test("a line of any length and a huge sparse file do not flood or hang", async () => {
      await good("write_file", { path: "wide.txt", content: "x".repeat(3_000_000) });
      const text = await good("read_file", { path: "wide.txt" });
      expect(text.length).toBeLessThan(60_000);
      expect(text).toContain("line cut: 3000000 bytes");
      writeFileSync(join(home, "sparse.bin"), "");
      truncateSync(join(home, "sparse.bin"), 10 * 1024 ** 3);
      expect(await refused("read_file", { path: "sparse.bin" })).toContain("not a text file");
      expect(
        await refused("edit_file", { path: "sparse.bin", old_text: "a", new_text: "b" }),
      ).toContain("too large");
    });

    test("an edit has to be unique and shows what it did", async () => {
      await good("write_file", { path: "edit.txt", content: "a\nb\nc\nb\n" });
      expect(
        await refused("edit_file", { path: "edit.txt", old_text: "b", new_text: "x" }),
      ).toContain("occurs 2 times");
      expect(
        await refused("edit_file", { path: "edit.txt", old_text: "zz", new_text: "x" }),
      ).toContain("not in");
      const diff = await good("edit_file", {
        path: "edit.txt",
        old_text: "a\nb",
        new_text: "$& new",
      });
      expect(diff).toBe("--- edit.txt\n+++ edit.txt\n@@ -1,5 +1,4 @@\n-a\n-b\n+$& new\n c\n b\n ");
      await good("edit_file", { path: "edit.txt", old_text: "b", new_text: "B", all: true });
      expect(readFileSync(join(home, "edit.txt"), "utf8")).toBe("$& new\nc\nB\n");
    });

    test("an executable file stays one when it is replaced", async () => {
      writeFileSync(join(home, "script.sh"), "echo", { mode: 0o755 });
      await good("write_file", { path: "script.sh", content: "echo new" });
      expect(statSync(join(home, "script.sh")).mode & 0o777).toBe(0o755);
    });

    const upload = async (name: string, data: string): Promise<string> =>
      (await gateway.request({ do: "upload", input: { name, data } }).answer).text;

    test.each([
      "../../../outside/secret.txt",
      "notes/../../../../outside/secret.txt",
      "/etc/passwd",
      "/proc/self/environ",
      "/proc/1/environ",
      "/proc/self/fd/0",
      "/dev/zero",
      "../other/private.txt",
      "global/../other/private.txt",
      "../../AGENTS.md",
      "a\0b",
    ])("%j is refused by every tool", async (path) => {
      for (const [tool, input] of [
        ["read_file", { path }],
        ["write_file", { path, content: "bad" }],
        ["edit_file", { path, old_text: "a", new_text: "b" }],
        ["list_files", { path }],
        ["search_files", { path, pattern: "." }],
      ] as const) {
        expect(await refused(tool, input)).not.toMatch(/SECRET|root:|Be kind/);
      }
      expect(readFileSync(secret, "utf8")).toBe("TOP SECRET");
    });

    test("links that lead out are refused, links inside are followed", async () => {
      symlinkSync(secret, join(home, "out"));
      symlinkSync(join(gateway.folder, "outside"), join(home, "outdir"));
      symlinkSync("notes/today/list.md", join(home, "in"));
      expect(await refused("read_file", { path: "out" })).not.toContain("SECRET");
      await refused("read_file", { path: "outdir/secret.txt" });
      await refused("list_files", { path: "outdir" });
      await refused("write_file", { path: "out", content: "bad" });
      await refused("write_file", { path: "outdir/new.txt", content: "bad" });
      await refused("write_file", { path: "outdir/deep/new.txt", content: "bad" });
      expect(await good("read_file", { path: "in" })).toContain("milk");
      await good("write_file", { path: "in", content: "through" });
      expect(readFileSync(join(home, "notes/today/list.md"), "utf8")).toBe("through");
      expect(await good("search_files", { pattern: "SECRET" })).toBe("No line matches.");
      expect(await good("list_files", { recursive: true })).not.toContain("secret");
      expect(readdirSync(join(gateway.folder, "outside"))).toEqual(["secret.txt"]);
      expect(readFileSync(secret, "utf8")).toBe("TOP SECRET");
    });

    test("nothing is written through a link that leads nowhere", async () => {
      const target = join(gateway.folder, "outside/made.txt");
      symlinkSync(target, join(home, "dangling"));
      symlinkSync("missing/inner.txt", join(home, "dangling-inside"));
      expect(await refused("write_file", { path: "dangling", content: "bad" })).toContain("link");
      await refused("write_file", { path: "dangling-inside", content: "bad" });
      await refused("write_file", { path: "dangling/x", content: "bad" });
      expect(existsSync(target)).toBe(false);
    });

    test("pipes, sockets and folders are refused without waiting", async () => {
      execFileSync("mkfifo", [join(home, "pipe")]);
      const server = createServer().listen(join(home, "socket"));
      await new Promise((resolve) => server.once("listening", resolve));
      for (const path of ["pipe", "socket", "notes"]) {
        await refused("read_file", { path });
        await refused("write_file", { path, content: "bad" });
        await refused("edit_file", { path, old_text: "a", new_text: "b" });
      }
      expect(await good("list_files", {})).toContain("pipe (not a file)");
      await good("search_files", { pattern: "through" });
      server.close();
    });

    test("names with newlines and control characters stay on their line", async () => {
      writeFileSync(join(home, "two\nlines\u001b[31m.txt"), "needle");
      const listed = await good("list_files", {});
      expect(listed.split("\n")).toContain('"two\\nlines\\u001b[31m.txt" (6 bytes)');
      expect(listed).not.toContain("\u001b");
      expect(await good("search_files", { pattern: "needle" })).not.toContain("\u001b");
    });

    test("a list is bounded, with thousands of entries", async () => {
      mkdirSync(join(home, "many"));
      for (let index = 0; index < 3000; index += 1) writeFileSync(join(home, `many/${index}`), "");
      const listed = await good("list_files", { path: "many" });
      expect(listed.split("\n").length).toBe(501);
      expect(listed).toContain("[the first 500;");
    });

    test("search finds lines, narrows by glob, and explains a bad pattern", async () => {
      await good("write_file", { path: "src/one.ts", content: "const answer = 42;\n" });
      await good("write_file", { path: "src/two.md", content: "the answer\n" });
      const all = await good("search_files", { pattern: "answer" });
      expect(all).toContain("src/one.ts:1:const answer = 42;");
      expect(all).toContain("src/two.md:1:the answer");
      const some = await good("search_files", { pattern: "answer", glob: "*.md" });
      expect(some).not.toContain("one.ts");
      expect(await good("search_files", { pattern: "answer", path: "src" })).toContain("one.ts:1:");
      expect(await refused("search_files", { pattern: "(" })).toContain("pattern was refused");
    });

    test("the shared folder is reached by its name", async () => {
      expect(await good("read_file", { path: "global/news.txt" })).toBe("shared news");
      await good("write_file", { path: "global/from-main.txt", content: "hello" });
      expect(
        (await gateway.call("read_file", { path: "global/from-main.txt" }, "other")).text,
      ).toBe("hello");
      const { failed, text } = await gateway.call(
        "write_file",
        { path: "global/bad.txt", content: "bad" },
        "other",
      );
      expect(failed).toBe(true);
      expect(text).toContain("read from here, not written");
    });

    test("a file is not larger than the limit, and an upload gets a safe and free name", async () => {
      expect(await upload("photo.jpg", "one")).toBe("inbox/photo.jpg");
      expect(await upload("photo.jpg", "two")).toBe("inbox/photo-2.jpg");
      expect(await upload("../../../evil.sh", "x")).toBe("inbox/evil.sh");
      expect(await upload("a\u202e\ngpj.exe", "x")).toBe("inbox/a__gpj.exe");
      expect(await upload("..", "x")).toBe("inbox/file");
      expect(await upload(`${"long".repeat(100)}.txt`, "x")).toMatch(/^inbox\/.{60}\.txt$/);
      expect(readFileSync(join(home, "inbox/photo-2.jpg"), "utf8")).toBe("two");
    });

    test("wrong input is explained", async () => {
      expect(await refused("read_file", {})).toContain("path");
      expect(await refused("read_file", { path: 5 })).toContain("path");
      expect(await refused("read_file", { path: "no such file" })).toContain("There is no");
    });
  },
);

test("a link swapped in a loop never leads out, without any wall", async () => {
  const gateway = await openGateway({ confine: "none" });
  const home = join(gateway.workspace, "spaces/main");
  mkdirSync(join(home, "real"), { recursive: true });
  writeFileSync(join(home, "real/secret.txt"), "inside");
  const secret = plant(gateway, "secret.txt", "TOP SECRET");
  // Swaps a folder for a link outside and back, as fast as it can.
  const swap = `
    const fs = require("node:fs");
    process.chdir(${JSON.stringify(home)});
    fs.symlinkSync(${JSON.stringify(join(gateway.folder, "outside"))}, "link");
    for (;;) {
      try { fs.renameSync("real", "dir"); fs.renameSync("dir", "real"); } catch {}
      try { fs.renameSync("link", "dir"); fs.renameSync("dir", "link"); } catch {}
    }`;
  const swapper = spawn(process.execPath, ["-e", swap], { stdio: "ignore" });
  let inside = 0;
  let refusals = 0;
  for (let round = 0; round < 400; round += 1) {
    const answers = await Promise.all([
      gateway.call("read_file", { path: "dir/secret.txt" }),
      gateway.call("edit_file", {
        path: "dir/secret.txt",
        old_text: "inside",
        new_text: "inside.",
      }),
      gateway.call("list_files", { path: "dir" }),
    ]);
    for (const { text, failed } of answers) {
      expect(text).not.toContain("TOP SECRET");
      if (failed) refusals += 1;
      else inside += 1;
    }
  }
  swapper.kill("SIGKILL");
  expect(readFileSync(secret, "utf8")).toBe("TOP SECRET");
  expect(readdirSync(join(gateway.folder, "outside"))).toEqual(["secret.txt"]);
  // both sides of the race were seen
  expect(inside).toBeGreaterThan(0);
  expect(refusals).toBeGreaterThan(0);
  await gateway.close();
});

test("a hard link from outside stays where commands cannot make one", async () => {
  const gateway = await openGateway({ confine: "auto" });
  const secret = plant(gateway, "secret.txt", "TOP SECRET");
  const said = await gateway.run(`ln ${secret} linked && echo LINKED`);
  expect(said).not.toContain("LINKED");
  // the control: nothing but the wall stands in the way
  linkSync(secret, join(gateway.workspace, "spaces/main/control"));
  await gateway.close();
});

test("our own search finds the same, and gives up on an expression without end", async () => {
  const gateway = await openGateway();
  await gateway.call("write_file", { path: "src/one.ts", content: "const answer = 42;\n" });
  await gateway.call("write_file", { path: "bad.txt", content: `${"a".repeat(60)}b\n` });
  const search = async (pattern: string, glob?: string): Promise<Answer> =>
    gateway.call("search_files", { pattern, ...(glob === undefined ? {} : { glob }) });
  const byRipgrep = await search("answer", "*.ts");
  // While a command runs nothing else may be started in the sandbox, so its own search is used.
  const running = gateway.run("sleep 20", 20);
  await gateway.call("list_files", {});
  expect(await search("answer", "*.ts")).toEqual(byRipgrep);
  expect(byRipgrep.text).toBe("src/one.ts:1:const answer = 42;");
  const endless = search("^(a+)+$");
  // the server goes on meanwhile
  expect((await gateway.call("read_file", { path: "src/one.ts" })).failed).toBe(false);
  expect((await endless).text).toContain("given up");
  expect((await search("answer")).text).toContain("one.ts");
  await gateway.close();
  expect((await running).length).toBeGreaterThan(0);
});
