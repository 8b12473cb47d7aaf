import type { Native } from "./native.ts";
import { numbers, type SyscallName } from "./syscalls.ts";

/**
 * One test on the low 32 bits of an argument, which is all that the kernel looks at in the ones tested here (int,
 * pid_t, flags). `mask` is applied first.
 */
interface Test {
  readonly arg: number;
  readonly mask?: number;
  readonly is: "equal" | "different" | "any-of-bits" | "between";
  readonly value: number;
  /** The upper end of "between", inclusive; all are compared as unsigned, so -5 and no end is -5 to -1. */
  readonly to?: number;
}

interface Denial {
  readonly calls: readonly SyscallName[];
  /** Denied when one of these holds; always, without. */
  readonly when?: readonly Test[];
  readonly errno?: number;
}

const eperm = 1;
const enosys = 38;
const enotsup = 95;

const unixFamily = 1;
const streamType = 1;
const typeMask = 0xf;
/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET. */
const newNamespaces = 0x7e020000;
const setDumpable = 4;

/** For the whole sandbox: what neither the server nor any command has a need for. */
export const forEveryone: readonly Denial[] = [
  { calls: ["socket"], when: [{ arg: 0, is: "different", value: unixFamily }] },
  // A pair of pipes to a child is a stream pair. A datagram one could be sent anywhere by address.
  {
    calls: ["socketpair"],
    when: [
      { arg: 0, is: "different", value: unixFamily },
      { arg: 1, mask: typeMask, is: "different", value: streamType },
    ],
  },
  { calls: ["memfd_create", "memfd_secret"] },
  { calls: ["ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "process_madvise"] },
  { calls: ["process_mrelease", "migrate_pages", "move_pages"] },
  { calls: ["pidfd_open", "pidfd_send_signal", "pidfd_getfd"] },
  { calls: ["rt_sigqueueinfo", "rt_tgsigqueueinfo"] },
  { calls: ["io_uring_setup", "io_uring_enter", "io_uring_register"] },
  { calls: ["bpf", "userfaultfd", "perf_event_open", "fanotify_init", "syslog"] },
  { calls: ["unshare", "setns", "chroot", "pivot_root"] },
  { calls: ["clone"], when: [{ arg: 0, is: "any-of-bits", value: newNamespaces }] },
  // Its flags lie behind a pointer; libc falls back to clone.
  { calls: ["clone3"], errno: enosys },
  { calls: ["mount", "umount2", "mount_setattr", "move_mount", "open_tree", "open_tree_attr"] },
  { calls: ["fsopen", "fsconfig", "fsmount", "fspick"] },
  { calls: ["open_by_handle_at", "name_to_handle_at"] },
  // System V and POSIX queues and memory know no folders, and outlive their makers.
  { calls: ["shmget", "shmat", "semget", "msgget", "mq_open"] },
  { calls: ["add_key", "keyctl", "request_key"] },
  { calls: ["kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"] },
  { calls: ["reboot", "swapon", "swapoff", "quotactl", "quotactl_fd", "acct"] },
  { calls: ["settimeofday", "adjtimex", "clock_adjtime", "sethostname", "setdomainname"] },
  { calls: ["iopl", "ioperm"] },
  // TIOCSTI and TIOCLINUX type into a terminal.
  {
    calls: ["ioctl"],
    when: [
      { arg: 1, is: "equal", value: 0x5412 },
      { arg: 1, is: "equal", value: 0x541c },
    ],
  },
  // A limit of 0 on another process's CPU time is a way to kill it.
  { calls: ["prlimit64"], when: [{ arg: 0, is: "different", value: 0 }] },
];

export interface ServerThreads {
  readonly pid: number;
  /** The thread that starts commands: it shares their domain, so Landlock does not keep their signals from it. */
  readonly tid: number;
}

/**
 * Who keeps a command's signals inside: `domain` Landlock's scope; `user` a user id that nothing else has, or a process
 * namespace; `filter` nothing but this filter.
 */
export type SignalWall = "domain" | "user" | "filter";

/** For commands, on top: no sockets but pairs, no signal to the server, no metadata of others' files by id. */
export function forCommands(
  { pid, tid }: ServerThreads,
  wall: SignalWall,
  landlockAbi: number,
): readonly Denial[] {
  return [
    { calls: ["socket", "connect", "bind", "listen", "accept", "accept4"] },
    { calls: ["tkill"] },
    { calls: ["tgkill"], when: [{ arg: 0, is: "equal", value: pid }, ...outward(wall, pid, tid)] },
    {
      calls: ["kill"],
      when: [
        { arg: 0, is: "equal", value: -1 },
        ...[pid, tid].flatMap((id): Test[] => [
          { arg: 0, is: "equal", value: id },
          { arg: 0, is: "equal", value: -id },
        ]),
        ...outward(wall, pid, tid),
      ],
    },
    // F_SETSIG, F_SETOWN and F_SETOWN_EX make the kernel send signals in one's place; so do FIOSETOWN and SIOCSPGRP.
    {
      calls: ["fcntl"],
      when: [8, 10, 15].map((value) => ({ arg: 1, is: "equal", value })),
    },
    {
      calls: ["ioctl"],
      when: [0x8901, 0x8902].map((value) => ({ arg: 1, is: "equal", value })),
    },
    { calls: ["setpriority", "ioprio_set"], when: [{ arg: 1, is: "different", value: 0 }] },
    {
      calls: ["sched_setparam", "sched_setscheduler", "sched_setattr", "sched_setaffinity"],
      when: [{ arg: 0, is: "different", value: 0 }],
    },
    // Only later ABIs know truncation by path as a right; by descriptor it needs one open for writing.
    ...(landlockAbi < 3 ? [{ calls: ["truncate"] } satisfies Denial] : []),
    // A process that hides from /proc would hide from the memory limit.
    { calls: ["prctl"], when: [{ arg: 0, is: "equal", value: setDumpable }] },
    // Landlock does not cover metadata; owners and attributes are no business of commands.
    { calls: ["chown", "lchown", "fchown", "fchownat"] },
    {
      calls: ["setxattr", "lsetxattr", "fsetxattr", "setxattrat"],
      errno: enotsup,
    },
    {
      calls: ["removexattr", "lremovexattr", "fremovexattr", "removexattrat"],
      errno: enotsup,
    },
  ];
}

/** Where the kernel does not keep signals inside: none upward of the server, or none but to one's own group. */
function outward(wall: SignalWall, pid: number, tid: number): Test[] {
  if (wall === "domain") return [];
  if (wall === "filter") return [{ arg: 0, is: "different", value: 0 }];
  return [
    { arg: 0, is: "between", value: 1, to: Math.max(pid, tid) },
    { arg: 0, is: "between", value: -Math.max(pid, tid) },
  ];
}

const seccompData = { number: 0, arch: 4, args: 16 };
const auditArch = { x64: 0xc000003e, arm64: 0xc00000b7 };
const x32Bit = 0x40000000;
const ret = { allow: 0x7fff0000, kill: 0x80000000, errno: 0x00050000 };
/** Of classic BPF: load a word at an absolute offset, compare, mask, return. */
const op = { load: 0x20, equal: 0x15, greaterOrEqual: 0x35, anyBits: 0x45, and: 0x54, ret: 0x06 };

type Instruction = readonly [code: number, onTrue: number, onFalse: number, k: number];

/** The program of a list of denials: everything else is allowed; another architecture's calls kill. */
function assemble(denials: readonly Denial[]): Uint8Array {
  const table = numbers();
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const program: Instruction[] = [
    [op.load, 0, 0, seccompData.arch],
    [op.equal, 1, 0, auditArch[arch]],
    [op.ret, 0, 0, ret.kill],
    [op.load, 0, 0, seccompData.number],
  ];
  if (arch === "x64") {
    program.push([op.greaterOrEqual, 0, 1, x32Bit], [op.ret, 0, 0, ret.errno | enosys]);
  }
  for (const { calls, when, errno = eperm } of denials) {
    for (const call of calls) {
      const number = table[call];
      if (number === undefined) continue;
      const deny: Instruction = [op.ret, 0, 0, ret.errno | errno];
      const body =
        when === undefined
          ? [deny]
          : [
              ...when.flatMap((test) => compile(test, deny)),
              [op.load, 0, 0, seccompData.number] satisfies Instruction,
            ];
      program.push([op.equal, 0, body.length, number], ...body);
    }
  }
  program.push([op.ret, 0, 0, ret.allow]);
  return encode(program);
}

/** A test falls through to the next instruction when it does not hold, with the accumulator spoiled. */
function compile({ arg, mask, is, value, to }: Test, deny: Instruction): Instruction[] {
  const load: Instruction[] = [[op.load, 0, 0, seccompData.args + arg * 8]];
  if (mask !== undefined) load.push([op.and, 0, 0, mask]);
  if (is === "equal") return [...load, [op.equal, 0, 1, value], deny];
  if (is === "different") return [...load, [op.equal, 1, 0, value], deny];
  if (is === "any-of-bits") return [...load, [op.anyBits, 0, 1, value], deny];
  if (to === undefined) return [...load, [op.greaterOrEqual, 0, 1, value], deny];
  return [...load, [op.greaterOrEqual, 0, 2, value], [op.greaterOrEqual, 1, 0, to + 1], deny];
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, onTrue, onFalse, k]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(onTrue, index * 8 + 2);
    bytes.writeUInt8(onFalse, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  }
  return bytes;
}

const setNoNewPrivs = 38;
const setModeFilter = 1;

/** Puts the filter on the calling thread and all that it starts. It can only be narrowed later. */
export function installFilter(native: Native, denials: readonly Denial[]): void {
  const program = assemble(denials);
  const sockFprog = Buffer.alloc(16);
  sockFprog.writeUInt16LE(program.length / 8, 0);
  sockFprog.writeBigUInt64LE(native.address(program), 8);
  native.call("prctl", setNoNewPrivs, 1, 0, 0, 0);
  native.call("seccomp", setModeFilter, 0, sockFprog);
}
