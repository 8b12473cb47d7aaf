import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { mainSpace, sharedSpace } from "../settings.ts";
import type { Grant } from "./landlock.ts";

/** Below `W/spaces`. */
export function spaceFolder(workspace: string, space: string): string {
  return join(workspace, "spaces", space);
}

/** The operator's files at the workspace's root that every space may read. */
const readable = ["AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md", "HEARTBEAT.md"];
const readableFolders = ["skills", "cron"];

/** What a space may use of the workspace. Its root as a whole is not among it: the other spaces lie there. */
export function workspaceGrants(workspace: string, space: string): Grant[] {
  const shared = spaceFolder(workspace, sharedSpace);
  return [
    ...readable.map((name): Grant => ({ path: join(workspace, name), access: "read" })),
    ...readableFolders.map((name): Grant => ({ path: join(workspace, name), access: "execute" })),
    { path: shared, access: space === mainSpace ? "write" : "execute" },
    { path: spaceFolder(workspace, space), access: "write" },
  ];
}

/** Our own code: the runtime, the launcher's and the server's files, and the packages that they load. */
export function codeGrants(launcher: string): Grant[] {
  const sources = dirname(dirname(launcher));
  const packages = packagesOf(sources);
  const isBundled = launcher.endsWith(".js");
  const needed = isBundled ? [join(packages, "koffi"), join(packages, "@koromix")] : [packages];
  return [
    { path: process.execPath, access: "execute" },
    { path: sources, access: "execute" },
    { path: join(dirname(sources), "package.json"), access: "read" },
    ...needed.map((path): Grant => ({ path, access: "execute" })),
  ];
}

/** The `node_modules` that has koffi, looked for as Node does. */
function packagesOf(folder: string): string {
  const candidate = join(folder, "node_modules");
  const parent = dirname(folder);
  return existsSync(join(candidate, "koffi")) || parent === folder ? candidate : packagesOf(parent);
}

/** Programs and libraries, and of /etc only what they cannot do without: never the folder as a whole. */
export const systemFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
export const systemFiles = [
  "/etc/alternatives",
  "/etc/ca-certificates",
  "/etc/group",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/localtime",
  "/etc/mime.types",
  "/etc/nsswitch.conf",
  "/etc/os-release",
  "/etc/passwd",
  "/etc/pki/tls/certs",
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
  "/etc/timezone",
];
const devices = ["/dev/null", "/dev/zero", "/dev/full"];
const sources = ["/dev/random", "/dev/urandom"];

/** Facts about the machine that programs ask for; nothing about other processes. */
const facts = [
  "cpuinfo",
  "filesystems",
  "loadavg",
  "meminfo",
  "stat",
  "sys/kernel/cap_last_cap",
  "sys/kernel/ngroups_max",
  "sys/kernel/osrelease",
  "sys/kernel/ostype",
  "sys/kernel/pid_max",
  "sys/kernel/random/uuid",
  "sys/kernel/version",
  "sys/vm/overcommit_memory",
  "uptime",
  "version",
];

export function systemGrants(): Grant[] {
  return [
    ...systemFolders.map((path): Grant => ({ path, access: "execute" })),
    ...systemFiles.map((path): Grant => ({ path, access: "read" })),
    ...devices.map((path): Grant => ({ path, access: "device" })),
    ...sources.map((path): Grant => ({ path, access: "read" })),
    { path: "/sys/devices/system/cpu", access: "read" },
    ...facts.map((name): Grant => ({ path: join("/proc", name), access: "read" })),
  ];
}

/** Grants for what is there, so that others may walk the list without asking again. */
export function existing(grants: readonly Grant[]): Grant[] {
  return grants.filter(({ path }) => existsSync(path));
}
