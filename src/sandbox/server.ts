/** What the launcher becomes: the MCP server of one space, or, started again by itself, one of its threads. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { CommandJob } from "./command/run.ts";
import type { SearchJob } from "./files/search.ts";
import type { ServerSettings } from "./settings.ts";

if (isMainThread) {
  const settings = JSON.parse(process.argv[2] ?? "") as ServerSettings;
  const { serve } = await import("./serve.ts");
  await serve(settings, process.argv[1] ?? "");
} else if (parentPort !== null) {
  const job = workerData as CommandJob | SearchJob;
  if (job.role === "commands") {
    const { commandThread } = await import("./command/thread.ts");
    await commandThread(job.settings, parentPort);
  } else {
    const { searchLines } = await import("./files/search.ts");
    parentPort.postMessage(searchLines(job), []);
  }
}
