import { Command } from "commander";
import { CliError, exitCodes, guarded, print, table } from "./output.ts";
import { pathsOf } from "./paths.ts";
import { withState } from "./state.ts";

const dayMs = 86_400_000;
const maxDays = 3660;

/** `usage`: tokens and money by model. */
export function usageCommand(): Command {
  return new Command("usage")
    .description("Tokens and money by model")
    .option("--days <n>", "this many days back, today included", "1")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  barnacle usage\n  barnacle usage --days 30 --json\n")
    .action(async (flags: { days: string; json?: boolean }, command: Command) => {
      await guarded(flags.json === true, () => {
        const days = Number(flags.days);
        if (!Number.isInteger(days) || days < 1 || days > maxDays) {
          throw new CliError(
            `--days takes a number from 1 to ${maxDays}, not "${flags.days}".`,
            "usage",
            exitCodes.usage,
          );
        }
        const since = (Math.floor(Date.now() / dayMs) - days + 1) * dayMs;
        const totals = withState(pathsOf(command), (store) => store.usage.totals(since));
        const rows = totals.map((row) => [
          row.model,
          String(row.calls),
          String(row.inputTokens),
          String(row.cachedInputTokens),
          String(row.outputTokens),
          `$${row.usd.toFixed(4)}`,
        ]);
        const text =
          rows.length === 0
            ? "Nothing was used in that time."
            : table([["MODEL", "CALLS", "IN", "CACHED", "OUT", "COST"], ...rows]);
        print({ since: new Date(since).toISOString(), models: totals }, text, flags.json === true);
      });
    });
}
