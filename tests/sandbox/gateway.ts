import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { closedAncestor } from "../../src/sandbox/confine/mounts.ts";
import type { Request, Response } from "./gateway-process.ts";

export const isRoot = process.getuid?.() === 0;
/** Whom tests take for an ordinary user when they run as root. */
const ordinaryId = 20_000 + (process.pid % 30_000);

export type Confine = "auto" | "landlock" | "bubblewrap" | "none";

export interface GatewayOptions {
  readonly as?: "root" | "ordinary";
  readonly confine?: Confine;
  readonly limits?: Readonly<Record<string, number>>;
  readonly launchArgs?: readonly string[];
  readonly idleMs?: number;
  readonly maxProcesses?: number;
  /** Whether the folder that all lies in may be entered by others. */
  readonly isOpen?: boolean;
  readonly launcher?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly failed: boolean;
  readonly text: string;
}

export interface Gateway {
  /** Holds `workspace` and `outside`, and belongs to the gateway's user. */
  readonly folder: string;
  readonly workspace: string;
  readonly process: ChildProcess;
  readonly pid: number;
  readonly uid: number;
  /** Where it sees the Node that it runs on. */
  readonly node: string;
  /** What it has logged so far. */
  log(): string;
  call(tool: string, input: unknown, space?: string): Promise<Answer>;
  run(command: string, seconds?: number): Promise<string>;
  request(request: Omit<Request, "id">): { readonly id: number; readonly answer: Promise<Answer> };
  close(): Promise<void>;
}

const workspaceFiles: Readonly<Record<string, string>> = {
  "AGENTS.md": "Be kind.",
  "SOUL.md": "Curious.",
  "skills/tea/SKILL.md": "How to make tea.",
  "cron/daily.md": "every day",
  "spaces/other/private.txt": "the other space's secret",
  "spaces/global/news.txt": "shared news",
};

/** A gateway process with a workspace of its own, as another user where that is asked for. */
export async function openGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const { as = isRoot ? "root" : "ordinary", isOpen = true } = options;
  const uid = as === "ordinary" && isRoot ? ordinaryId : (process.getuid?.() ?? 0);
  const folder = mkdtempSync(join(tmpdir(), "sandbox-test-"));
  const workspace = join(folder, "workspace");
  for (const [name, text] of Object.entries(workspaceFiles)) {
    mkdirSync(join(workspace, name, ".."), { recursive: true });
    writeFileSync(join(workspace, name), text);
  }
  mkdirSync(join(folder, "outside"));
  chmodSync(folder, isOpen ? 0o755 : 0o700);
  if (isRoot && uid !== 0) execFileSync("chown", ["-R", `${uid}:${uid}`, folder]);

  const { launcher, confine = "auto", env = {}, isOpen: _, as: __, ...rest } = options;
  const settings = { workspace, confine, ...(launcher === undefined ? {} : { launcher }), ...rest };
  const isOther = isRoot && uid !== 0;
  const [file = "", ...args] = gatewayCommand(JSON.stringify(settings), isOther);
  const child = spawn(file, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], NODE_NO_WARNINGS: "1", ...env },
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
  const waiting = new Map<number, (response: Response) => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const response = JSON.parse(line) as Response;
    waiting.get(response.id)?.(response);
    waiting.delete(response.id);
  });
  child.once("close", () => {
    for (const [id, settle] of waiting) settle({ id, failed: true, value: "the gateway ended" });
  });
  let last = 0;

  const request: Gateway["request"] = (given) => {
    last += 1;
    const id = last;
    const answer = new Promise<Answer>((resolve) => {
      waiting.set(id, ({ failed, value }) =>
        resolve({ failed, text: typeof value === "string" ? value : JSON.stringify(value) }),
      );
    });
    child.stdin.write(`${JSON.stringify({ ...given, id })}\n`);
    return { id, answer };
  };
  const call: Gateway["call"] = async (tool, input, space = "main") =>
    request({ do: "call", tool, input, space }).answer;

  return {
    folder,
    workspace,
    process: child,
    pid: child.pid ?? 0,
    uid,
    node: args.find((part) => part.endsWith("/node")) ?? file,
    log: () => log,
    request,
    call,
    async run(command, seconds = 30) {
      const { text } = await call("run_command", { command, timeout_seconds: seconds });
      return text;
    },
    async close() {
      if (!child.killed && child.exitCode === null) {
        await request({ do: "stop" }).answer;
        const ended = new Promise((resolve) => child.once("close", resolve));
        child.kill("SIGKILL");
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const repository = join(import.meta.dirname, "../..");

/**
 * As another user where that is asked for. A checkout that only root may enter is shown to that user elsewhere, in a
 * mount namespace of the gateway's own.
 */
function gatewayCommand(settings: string, isOther: boolean): string[] {
  const script = "tests/sandbox/gateway-process.ts";
  if (!isOther) return [process.execPath, join(repository, script), settings];
  const user = [
    "setpriv",
    `--reuid=${ordinaryId}`,
    `--regid=${ordinaryId}`,
    "--clear-groups",
    "--",
  ];
  const isOpen = [repository, process.execPath].every((path) => closedAncestor(path) === undefined);
  if (isOpen) return [...user, process.execPath, join(repository, script), settings];
  const here = mkdtempSync(join(tmpdir(), "checkout-"));
  chmodSync(here, 0o755);
  mkdirSync(join(here, "repository"));
  mkdirSync(join(here, "runtime"));
  const mounts =
    `mount --bind "${repository}" repository && mount --bind "${dirname(process.execPath)}" runtime && ` +
    'exec "$@"';
  const elsewhere = [join(here, "runtime/node"), join(here, "repository", script), settings];
  const inside = ["sh", "-c", `cd "${here}" && ${mounts}`, "sh", ...user, ...elsewhere];
  return ["unshare", "--mount", "--propagation", "private", "--", ...inside];
}

/** Makes a file outside of the workspace that belongs to the gateway's user and that anybody may read. */
export function plant(gateway: Gateway, name: string, text: string): string {
  const path = join(gateway.folder, "outside", name);
  writeFileSync(path, text);
  if (isRoot) chownSync(path, gateway.uid, gateway.uid);
  return path;
}

export const hasBubblewrap = existsSync("/usr/bin/bwrap");

/** In CI a test that cannot run is a failure; elsewhere it is told. */
export function unlessMissing(isThere: boolean, what: string): boolean {
  if (isThere) return true;
  const advice = `Tests are skipped: ${what}`;
  if (process.env["CI"] === "true") throw new Error(advice);
  process.stderr.write(`\n*** ${advice}\n\n`);
  return false;
}

/** Pids of processes whose command line contains a text. */
export function processesWith(text: string): number[] {
  const listing = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
  return listing
    .split("\n")
    .filter((line) => line.includes(text) && !line.includes("ps -eo"))
    .map((line) => Number(line.trim().split(" ")[0]));
}

/** Until it holds, or not within the time: then false. */
export async function eventually(holds: () => boolean, withinMs = 10_000): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (performance.now() < end) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return holds();
}
