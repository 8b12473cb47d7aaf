import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * Lets another program take this process over: same pid, same standard streams, so that signals, `kill -9` and the
 * exit code mean what they say. Where `execv` cannot be reached the program runs as a child instead, which gets our
 * signals, gives us its exit code, and ends when we die. Never returns to the caller's flow.
 */
export async function handOver(file: string, args: readonly string[]): Promise<void> {
  try {
    const { replaceProcess } = await import("./replace-process.ts");
    replaceProcess(file, args);
  } catch {
    runAsChild(file, args); // no native addon for this machine, or exec refused: the child says what is wrong
  }
}

/** In the child of `runAsChild`: the channel to the parent breaks when the parent is gone, however it ended. */
export function endWithParent(): void {
  delete process.env["BARNACLE_HANDED_OVER"];
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.channel?.unref();
}

const forwardedSignals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

function runAsChild(file: string, args: readonly string[]): void {
  const child = spawn(file, args, {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, BARNACLE_HANDED_OVER: "1" },
  });
  for (const signal of forwardedSignals) process.on(signal, () => child.kill(signal));
  child.once("error", (error) => {
    process.stderr.write(`${file} could not be started: ${error.message}\n`);
    process.exit(3);
  });
  child.once("exit", (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}
