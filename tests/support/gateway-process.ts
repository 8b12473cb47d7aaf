import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const project = join(import.meta.dirname, "../..");
const bundle = join(project, "dist/barnacle.js");

/**
 * How the gateway is started: `BARNACLE_COMMAND` (a path to a script), else the bundle, else the source. Tests judge
 * what is shipped, so `npm test` builds first.
 */
export function barnacleCommand(node = process.execPath): readonly string[] {
  const script = process.env["BARNACLE_COMMAND"];
  if (script !== undefined) return [node, script];
  if (existsSync(bundle)) return [node, bundle];
  return [node, join(project, "src/cli.ts")];
}

export interface GatewayOptions {
  readonly config: string;
  readonly state: string;
  readonly workspace: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Put before the command: `["setpriv", ...]`, say. */
  readonly prefix?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  /** The Node binary; default: the one that runs the test. */
  readonly node?: string | undefined;
}

export interface LogLine {
  readonly level?: number | string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface GatewayProcess {
  readonly pid: number;
  /** The newest lines of stderr, as they came. */
  readonly lines: readonly string[];
  /** The same, parsed; lines that are no JSON are left out. */
  logs(): LogLine[];
  readonly exited: Promise<Exit>;
  running(): boolean;
  /** SIGKILL, to the gateway alone, as an out-of-memory killer does. */
  kill(): Promise<Exit>;
  /** SIGTERM. Rejects, and kills, when that takes longer than `withinMs`. */
  stop(withinMs?: number): Promise<Exit>;
}

const maxLines = 4000;
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a gateway. It is up once its platform saw it: see `rig.ts`. */
export function startGateway(options: GatewayOptions): GatewayProcess {
  const folders = ["--config", options.config, "--state", options.state];
  const line = [
    ...(options.prefix ?? []),
    ...barnacleCommand(options.node),
    "gateway",
    ...folders,
    "--workspace",
    options.workspace,
    ...(options.args ?? []),
  ];
  const [command = "", ...args] = line;
  const child = spawn(command, args, {
    cwd: project,
    env: { PATH: process.env["PATH"] ?? "", HOME: options.state, ...options.env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.add(child);
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on("line", (text) => {
    lines.push(text);
    if (lines.length > maxLines) lines.shift();
  });
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });

  return {
    pid: child.pid ?? 0,
    lines,
    logs: () => lines.flatMap((text) => parseLine(text)),
    exited,
    running: () => running.has(child),
    async kill() {
      child.kill("SIGKILL");
      return await exited;
    },
    async stop(withinMs = 10_000) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), withinMs);
      const exit = await exited;
      clearTimeout(timer);
      if (exit.signal === "SIGKILL") {
        throw new Error(`The gateway did not stop within ${withinMs} ms of SIGTERM.`);
      }
      return exit;
    },
  };
}

function parseLine(text: string): LogLine[] {
  try {
    return [JSON.parse(text) as LogLine];
  } catch {
    return [];
  }
}
