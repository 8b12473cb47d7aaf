import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  eventually,
  type Gateway,
  type GatewayOptions,
  hasBubblewrap,
  isRoot,
  openGateway,
  processesWith,
  unlessMissing,
} from "./gateway.ts";

const settings: readonly (GatewayOptions & { readonly name: string })[] = [
  { name: "Landlock, started by root", as: "root", confine: "landlock" },
  { name: "Landlock, by an ordinary user", as: "ordinary", confine: "landlock" },
  {
    name: "Landlock 2, by an ordinary user",
    as: "ordinary",
    confine: "landlock",
    launchArgs: ["--abi=2"],
  },
  { name: "bubblewrap, started by root", as: "root", confine: "bubblewrap" },
  { name: "bubblewrap, by an ordinary user", as: "ordinary", confine: "bubblewrap" },
];
const usable = settings.filter(({ as, confine }) => {
  if (as === "root" && !unlessMissing(isRoot, "what root may start can only be tried by root")) {
    return false;
  }
  return confine !== "bubblewrap" || unlessMissing(hasBubblewrap, "bubblewrap is not installed");
});

const limits = {
  fileBytes: 8 * 1024 * 1024,
  commandDiskBytes: 64 * 1024 * 1024,
  commandInodes: 5000,
  commandMemoryBytes: 256 * 1024 * 1024,
  processes: 60,
};

describe.each(usable)("commands under $name", (options) => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway({ ...options, limits });
  });
  afterAll(() => gateway.close());

  test("output and exit code come back, both streams in order", async () => {
    const said = await gateway.run("echo out; echo err >&2; echo out again; exit 3");
    expect(said).toBe("out\nerr\nout again\n[exit code 3]");
    expect(await gateway.run("true")).toBe("[exit code 0]");
    expect(await gateway.run("kill -9 $$")).toMatch(/SIGKILL|exit code/);
  });

  test("a command over its time is told to end, then ended", async () => {
    const polite = await gateway.run(
      "trap 'echo ending; exit' TERM; while :; do sleep 0.1; done",
      1,
    );
    expect(polite).toMatch(/ending\n\[the command was ended after 1 s, its time limit\]$/);
    const said = await gateway.run(
      "trap '' TERM INT HUP; echo stubborn; while :; do sleep 0.1; done",
      1,
    );
    expect(said).toMatch(/^stubborn\n[^]*\[the command was ended after 1 s, its time limit\]$/);
  });

  test("nothing stays when a command ends, whatever it started", async () => {
    const mark = `31${gateway.pid}.5`;
    const said = await gateway.run(
      [
        `sleep ${mark} & disown`,
        `setsid nohup sleep ${mark} >/dev/null 2>&1 &`,
        `(setsid sh -c "trap '' TERM HUP; sleep ${mark}; sleep ${mark}" &)`,
        `python3 -c "
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp('sleep', ['sleep', '${mark}'])
    os._exit(0)
"`,
        `sleep 0.3; echo started`,
      ].join("\n"),
    );
    expect(said).toContain("started");
    expect(processesWith(mark)).toEqual([]);
  });

  test("a fork bomb is bounded and gone afterwards, and the next command runs", async () => {
    const mark = `bomb${gateway.pid}`;
    await gateway.run(`${mark}() { ${mark} | ${mark} & }; ${mark}; sleep 1`, 2);
    await gateway.run(`for i in $(seq 500); do sleep 77.${gateway.pid} & done; wait`, 2);
    expect(processesWith(`77.${gateway.pid}`)).toEqual([]);
    expect(processesWith(mark)).toEqual([]);
    expect(await gateway.run("echo alive")).toBe("alive\n[exit code 0]");
  });

  test("endless output is cut in the middle, and bounded in all", async () => {
    const said = await gateway.run("echo first; seq 1 2000000; echo last");
    expect(said.length).toBeLessThan(60_000);
    expect(said).toMatch(/^first\n1\n2\n/);
    expect(said).toMatch(/2000000\nlast\n\[exit code 0\]$/);
    expect(said).toContain("bytes left out");
    expect(await gateway.run("yes")).toContain("printed too much");
  });

  test("control characters and broken UTF-8 become harmless", async () => {
    const said = await gateway.run(
      String.raw`printf 'a\033[31mred\033[0m\033]52;c;ZXZpbA==\007b\000c\xff\xfe\r\nd\xe2\x80\xae'`,
    );
    expect(said).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(said).toContain("red");
    expect(said).toContain("b\ufffdc\ufffd\ufffd\nd");
  });

  test("a huge file ends at the limit", async () => {
    await gateway.run("head -c 10G /dev/zero > big; ls -l big");
    const { size } = statSync(join(gateway.workspace, "spaces/main/big"));
    expect(size).toBeLessThanOrEqual(limits.fileBytes);
    await gateway.run("rm -f big");
  });

  test("many large files, or very many small ones, end the command", async () => {
    const large = await gateway.run(
      "for i in $(seq 1000); do head -c 7M /dev/zero > large$i; sync large$i; done; echo DONE",
    );
    expect(large).toContain("wrote too much");
    const hidden = await gateway.run(
      "rm -f large*; python3 -c \"import os\nfor i in range(100):\n  f = open('hidden', 'wb'); os.unlink('hidden'); f.write(b'x' * 7 * 2**20); f.flush(); globals()[f'f{i}'] = f\"; echo DONE",
    );
    expect(hidden).toContain("wrote too much");
    const small = await gateway.run(
      "rm -f large*; mkdir small; python3 -c \"\nfor i in range(10**6): open(f'small/{i}', 'w').close()\"; echo DONE",
    );
    expect(small).toContain("too many files");
    expect(small).not.toContain("DONE");
    await gateway.run("rm -rf small");
  });

  test("memory is bounded, for one process and for all together", async () => {
    const one = await gateway.run("python3 -c 'x = bytearray(2 * 1024**3); print(len(x))'");
    expect(one).toContain("MemoryError");
    const many = await gateway.run(
      "for i in 1 2 3 4 5; do python3 -c 'import time; x = b\"x\" * (100 * 1024**2); time.sleep(20)' & done; wait; echo DONE",
    );
    expect(many).toContain("too much memory");
    expect(many).not.toContain("DONE");
  });

  test("a command that reads its input, or wants a terminal, does not hang", async () => {
    expect(await gateway.run("cat; read x; echo read: $?")).toContain("read: 1");
  });

  test("commands of one space run one after the other, and files can be read meanwhile", async () => {
    const all = Promise.all([
      gateway.run("echo a > order; sleep 0.5; echo b >> order"),
      gateway.run("echo c >> order; cat order"),
    ]);
    const meanwhile = await gateway.call("list_files", {});
    expect(meanwhile.failed).toBe(false);
    expect((await all)[1]).toBe("a\nb\nc\n[exit code 0]");
  });

  test("stopping a turn ends its command at once", async () => {
    const mark = `41${gateway.pid}.5`;
    const { id, answer } = gateway.request({
      do: "call",
      tool: "run_command",
      input: { command: `trap '' TERM; sleep ${mark} & sleep ${mark}` },
    });
    expect(await eventually(() => processesWith(`sleep ${mark}`).length >= 2)).toBe(true);
    await gateway.request({ do: "abort", target: id }).answer;
    expect(await answer).toEqual({ failed: true, text: "stopped by the user" });
    expect(await eventually(() => processesWith(`sleep ${mark}`).length === 0)).toBe(true);
    expect(await gateway.run("echo next")).toBe("next\n[exit code 0]");
  });

  test("a killed gateway takes sandbox and command with it", async () => {
    const own = await openGateway({ ...options, limits });
    const mark = `51${own.pid}.5`;
    void own.run(`(setsid sleep ${mark} &) ; trap '' TERM; sleep ${mark}; sleep ${mark}`);
    expect(await eventually(() => processesWith(`sleep ${mark}`).length >= 2)).toBe(true);
    own.process.kill("SIGKILL");
    expect(await eventually(() => processesWith(own.workspace).length === 0)).toBe(true);
    expect(await eventually(() => processesWith(mark).length === 0)).toBe(true);
    await own.close();
  });

  test("the temporary folder is the space's own, and not in the way", async () => {
    expect(await gateway.run("echo x > $TMPDIR/t && cd $TMPDIR && pwd")).toContain("/main/.tmp");
    expect((await gateway.call("list_files", {})).text).not.toContain(".tmp");
    expect(existsSync("/tmp/t")).toBe(false);
    expect(readdirSync(join(gateway.workspace, "spaces/main"))).toContain(".tmp");
  });
});
