import { Command } from "commander";
import { askHealth, type HealthReport, healthSocket } from "../health.ts";
import { CliError, exitCodes, guarded, print } from "./output.ts";
import { pathsOf } from "./paths.ts";

/** `health`: asks the running gateway; the exit code is what a container's health check needs. */
export function healthCommand(): Command {
  return new Command("health")
    .description("Ask the running gateway how it is (exit 0: well)")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  barnacle health\n  barnacle health --json\n")
    .action(async (flags: { json?: boolean }, command: Command) => {
      await guarded(flags.json === true, async () => {
        const { state } = pathsOf(command);
        const report = await askHealth(healthSocket(state));
        if (report === undefined) {
          throw new CliError(
            `No gateway answers on ${state}. Start one with "barnacle gateway", or name its folder with --state DIR.`,
            "no-gateway",
            exitCodes.unexpected,
          );
        }
        print(report, healthText(report), flags.json === true);
        if (report.status !== "ok") process.exitCode = exitCodes.unexpected;
      });
    });
}

function healthText(report: HealthReport): string {
  const channels = Object.entries(report.channels).map(
    ([name, { up, account, reason }]) =>
      `${name}: ${up ? `connected${account === undefined ? "" : ` as ${account}`}` : (reason ?? "not connected")}`,
  );
  return [
    `${report.status}, version ${report.version}, up ${report.uptimeSeconds} s`,
    ...channels,
    ...(report.mistakes ?? []),
  ].join("\n");
}
