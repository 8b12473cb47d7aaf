import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as z from "zod";
import { ToolError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Confinement, Sandbox } from "../contracts/sandbox.ts";
import type { Effect, Tool } from "../contracts/tool.ts";
import { defineTool } from "../lib/define-tool.ts";
import { orAbort } from "./or-abort.ts";
import { openSpaceProcess, type SpaceProcess } from "./space-process.ts";
import { createSpacePool } from "./space-pool.ts";

/** A tool as the gateway knows it: what the sandbox says about itself is never asked. */
interface Spec {
  readonly name: string;
  readonly description: string;
  readonly effect: Effect;
  readonly input: z.ZodObject;
}

export interface SandboxOptions {
  readonly specs: readonly Spec[];
  /** Absolute paths of `sandbox/launch` and `sandbox/server`, as sources or bundled. */
  readonly launcher: string;
  readonly server: string;
  /** Absolute path; made where it is missing. */
  readonly workspace: string;
  /** "auto" takes what works: Landlock, else bubblewrap, else nothing, and then no commands. */
  readonly confine: "auto" | "landlock" | "bubblewrap" | "none";
  /** After which a process without a call is ended. */
  readonly idleMs?: number | undefined;
  readonly maxProcesses?: number | undefined;
  /** A command's time when the model names none. */
  readonly commandSeconds?: number | undefined;
  /** Overrides of what the launcher knows as its limits, by name. */
  readonly limits?: Readonly<Record<string, number>> | undefined;
  /** More arguments for the launcher. */
  readonly launchArgs?: readonly string[] | undefined;
  readonly log: Logger;
}

const defaultIdleMs = 60_000;
const defaultProcesses = 8;
const probeMs = 15_000;
const callMs = 60_000;
/** On top of a command's own time: for its end, and for a slow machine. */
const slackMs = 20_000;
const defaultCommandSeconds = 60;
/** From the sandbox: results are cut far below that. */
const maxMessageBytes = 2 * 1024 * 1024;
const spacePattern = /^[A-Za-z0-9_-]{1,64}$/;

/** Names that the sandbox and the gateway share beside the specs. */
const uploadTool = "save_upload";
const resourcePrefix = "workspace:///";
const personaFiles = ["AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md"];

const confinement = z.object({
  by: z.enum(["landlock", "bubblewrap", "none"]),
  runsCommands: z.boolean(),
  explanation: z.string(),
});

/** The sandbox on this machine: a confined child for each space, started on first use. */
export function createSandbox(options: SandboxOptions): Sandbox {
  const { specs, launcher, server, workspace, log } = options;
  const { commandSeconds = defaultCommandSeconds } = options;
  const env = launchEnvironment();
  let found: Promise<Confinement> | undefined;
  const confinementHere = (): Promise<Confinement> => (found ??= probe(options, env));
  /** Commands of a space one after the other, so that each one's time begins when it runs. */
  const lastCommand = new Map<string, Promise<unknown>>();

  const pool = createSpacePool<SpaceProcess>({
    idleMs: options.idleMs ?? defaultIdleMs,
    maxStarted: options.maxProcesses ?? defaultProcesses,
    start: async (space, signal) => {
      const { by } = await confinementHere();
      const args = [
        launcher,
        `--by=${by}`,
        `--workspace=${workspace}`,
        `--space=${space}`,
        `--server=${server}`,
        `--limits=${JSON.stringify(options.limits ?? {})}`,
        `--parent=${process.pid}`,
        ...(options.launchArgs ?? []),
      ];
      const startedAt = performance.now();
      const started = await openSpaceProcess(
        { file: process.execPath, args, env, maxMessageBytes },
        log.child({ space }),
        signal,
      );
      const tookMs = Math.round(performance.now() - startedAt);
      log.info({ space, by, pid: started.pid, tookMs }, "sandbox started");
      return started;
    },
  });

  const inSpace = async <R>(
    space: string,
    signal: AbortSignal,
    use: (started: SpaceProcess) => Promise<R>,
  ): Promise<R> => {
    if (!spacePattern.test(space))
      throw new ToolError("This conversation has no usable workspace.");
    return pool.with(space, signal, use);
  };

  const toolOf = ({ name, description, effect, input }: Spec): Tool =>
    defineTool({
      name,
      description,
      effect,
      input,
      async run(given, { space, signal }) {
        const limits = effect === "runs" ? { timeout_seconds: commandSeconds } : {};
        const args = { ...limits, ...given };
        const call = async (): Promise<string> =>
          inSpace(space, signal, (started) =>
            started.callTool(name, args, timeLimit(effect, args), signal),
          );
        const text = await (effect === "runs" ? inTurn(lastCommand, space, signal, call) : call());
        return { content: [{ type: "text", text }], origin: "own-files" };
      },
    });

  return {
    confinement: confinementHere,
    async tools() {
      const { runsCommands } = await confinementHere();
      return specs.filter(({ effect }) => runsCommands || effect !== "runs").map(toolOf);
    },
    async persona(space, signal) {
      return inSpace(space, signal, async (started) => {
        const there = new Set(await started.listResources(signal));
        const texts: string[] = [];
        for (const uri of personaFiles.map((name) => resourcePrefix + name)) {
          if (there.has(uri)) texts.push((await started.readResource(uri, signal)).trim());
        }
        return texts.filter((text) => text !== "").join("\n\n");
      });
    },
    async saveUpload(space, name, data, signal) {
      const input = { name: name.slice(0, 4096) || "file", data_base64: base64(data) };
      return inSpace(space, signal, (started) =>
        started.callTool(uploadTool, input, callMs, signal),
      );
    },
    stop: () => pool.stop(),
  };
}

function timeLimit(effect: Effect, args: Readonly<Record<string, unknown>>): number {
  return effect === "runs" ? Number(args["timeout_seconds"]) * 1000 + slackMs : callMs;
}

/** After all earlier ones of the same key have settled, or not at all when aborted before. */
async function inTurn<R>(
  last: Map<string, Promise<unknown>>,
  key: string,
  signal: AbortSignal,
  run: () => Promise<R>,
): Promise<R> {
  const before = last.get(key) ?? Promise.resolve();
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const mine = before.then(() => done);
  last.set(key, mine);
  try {
    await orAbort(before, signal);
    return await run();
  } finally {
    resolve();
    if (last.get(key) === mine) last.delete(key);
  }
}

async function probe(
  { launcher, confine, workspace, log }: SandboxOptions,
  env: Readonly<Record<string, string>>,
): Promise<Confinement> {
  try {
    const args = [launcher, `--probe=${confine}`, `--workspace=${workspace}`];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env,
      cwd: "/",
      timeout: probeMs,
      killSignal: "SIGKILL",
      maxBuffer: 64 * 1024,
    });
    return confinement.parse(JSON.parse(stdout));
  } catch (error) {
    log.error({ error: String(error).slice(0, 500) }, "could not find out what confines commands");
    return {
      by: "none",
      runsCommands: false,
      explanation:
        "Commands are off, because it could not be found out what confines them here. See the log for the reason.",
    };
  }
}

/** What the launcher itself gets; the server and its commands get the launcher's own list. */
function launchEnvironment(): Record<string, string> {
  const zone = process.env["TZ"];
  return { NODE_NO_WARNINGS: "1", ...(zone === undefined ? {} : { TZ: zone }) };
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}
