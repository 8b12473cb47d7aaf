/** config (checked, waited for if supervised) -> lock -> state -> app -> until a signal. */
import { Command } from "commander";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { ConfigError } from "../contracts/errors.ts";
import type { Logger } from "../contracts/logger.ts";
import { type HealthReport, healthSocket, serveHealth } from "../health.ts";
import { errorText } from "../lib/error-text.ts";
import { createLog } from "../lib/log.ts";
import { createRedactor } from "../lib/redact.ts";
import { releaseMemory } from "../lib/release-memory.ts";
import { type App, openApp } from "../main.ts";
import { version } from "../version.ts";
import { kinds } from "./kinds.ts";
import { CliError, exitCodes, guarded } from "./output.ts";
import { type Paths, pathsOf } from "./paths.ts";
import { untilSignal } from "./signals.ts";
import { openLockedState } from "./state.ts";
import { prepareWorkspace } from "./workspace.ts";

interface Flags {
  readonly supervised?: boolean;
  readonly allowEmpty?: boolean;
}

const lookAgainMs = 1000;
const quietMs = 2000;

/** `gateway`: the bot itself. */
export function gatewayCommand(): Command {
  return new Command("gateway")
    .description("Run the bot: connect the channels and answer")
    .option(
      "--supervised",
      "with a bad configuration stay up, unhealthy, and go on once it is right",
    )
    .option("--allow-empty", "run without a model or a channel")
    .addHelpText(
      "after",
      `
Examples:
  barnacle gateway
  barnacle gateway --config /opt/stacks/mybot/config/config.json --supervised

Logs are JSON lines on stderr. SIGTERM ends it within ten seconds; what is
unfinished goes on after the next start. Exit codes: 0 stopped, 5 a channel
refused the credentials, 9 another gateway holds the state, 78 the
configuration is wrong.
`,
    )
    .action(async (flags: Flags, command: Command) => {
      await guarded(false, async () => await run(pathsOf(command), flags));
    });
}

async function run(paths: Paths, flags: Flags): Promise<void> {
  const signal = untilSignal();
  const load = (): LoadedConfig =>
    loadConfig(paths.config, {
      kinds,
      env: process.env,
      require: flags.allowEmpty === true ? [] : ["llm", "channel"],
    });
  const loaded = flags.supervised === true ? undefined : load();
  // Held also while a better config is waited for: of two gateways only one may answer for the state.
  const state = await openLockedState(paths.state);
  let app: App | undefined;
  try {
    const { config, warnings, secretValues } = loaded ?? (await loadWhenRight(load, paths, signal));
    const log = createLog({ level: config.log.level, redactor: createRedactor(secretValues) });
    for (const { path, reason } of warnings) log.warn({ config: paths.config, path }, reason);
    prepareWorkspace(paths.workspace);
    const refused = Promise.withResolvers<never>();
    refused.promise.catch(() => undefined); // may come before anybody waits for it
    app = await openApp({
      config,
      store: state.store,
      workspace: paths.workspace,
      log,
      onRefused(channel, error) {
        if (flags.supervised === true) return;
        const message = `The channel ${channel} refused to connect: ${errorText(error)}`;
        refused.reject(new CliError(message, "refused", exitCodes.liveCheck));
      },
    });
    app.start();
    if (app.ownershipCode !== undefined) {
      log.warn(
        { ownershipCode: app.ownershipCode },
        "nobody owns this bot yet: send it this code in a private chat to become its owner",
      );
    }
    await using _ = disposable(await serveApp(app, paths, config.health, log));
    log.info({ version, pid: process.pid, config: paths.config }, "gateway started");
    releaseMemoryWhenQuiet(app, signal);
    await Promise.race([aborted(signal), refused.promise]);
    log.info({}, "stopping");
  } finally {
    await app?.stop();
    state.close();
  }
}

/** After the start, and whenever turns have ended and no new one has begun for a while. */
function releaseMemoryWhenQuiet({ gateway }: App, signal: AbortSignal): void {
  let released = -1;
  let seen = 0;
  // It must not keep a process alive that a channel's refusal has ended.
  const timer = setInterval(() => {
    const { begun, running } = gateway;
    const isQuiet = running === 0 && begun === seen;
    seen = begun;
    if (!isQuiet || released === begun) return;
    released = begun;
    releaseMemory();
  }, quietMs).unref();
  signal.addEventListener("abort", () => clearInterval(timer));
}

async function serveApp(
  app: App,
  paths: Paths,
  tcp: { readonly host: string; readonly port: number } | undefined,
  log: Logger,
): Promise<{ close(): Promise<void> }> {
  try {
    return await serveHealth({ socket: healthSocket(paths.state), tcp, report: app.health });
  } catch (error) {
    // The bot is worth more than its thermometer.
    log.error({ error }, "health cannot be served");
    return { async close() {} };
  }
}

/** Stays up with a bad configuration, tells the mistakes through `health`, and looks again every second. */
async function loadWhenRight(
  load: () => LoadedConfig,
  paths: Paths,
  signal: AbortSignal,
): Promise<LoadedConfig> {
  const started = Date.now();
  let mistakes: readonly string[] = [];
  const log = createLog();
  let server: { close(): Promise<void> } | undefined;
  const report = (): HealthReport => ({
    schemaVersion: 1,
    status: "config-error",
    version,
    pid: process.pid,
    uptimeSeconds: Math.round((Date.now() - started) / 1000),
    channels: {},
    mistakes,
  });
  try {
    for (;;) {
      try {
        return load();
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        const found = error.message.split("\n");
        if (found.join("\n") !== mistakes.join("\n")) {
          mistakes = found;
          log.error(
            { config: paths.config, mistakes },
            "the configuration cannot be used; waiting for it to be put right",
          );
        }
        server ??= await serveHealth({ socket: healthSocket(paths.state), report });
      }
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
      if (signal.aborted) throw new CliError("Stopped.", "stopped", exitCodes.done);
    }
  } finally {
    await server?.close();
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}

function disposable({ close }: { close(): Promise<void> }): AsyncDisposable {
  return { [Symbol.asyncDispose]: close };
}
