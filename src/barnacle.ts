#!/usr/bin/env node
// The command `barnacle`: right Node? -> compile cache -> cli. Parses and runs on Node 20, loads nothing native itself.
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const neededMajor = 24;
const preflightFailed = 3;

const here = dirname(fileURLToPath(import.meta.url));

if (Number.parseInt(process.versions.node, 10) >= neededMajor) await start();
else await startOnPinnedNode();

async function start(): Promise<void> {
  if (process.env["BARNACLE_HANDED_OVER"] !== undefined) {
    const { endWithParent } = await import("./lib/hand-over.ts");
    endWithParent();
  }
  // Packages in the bundle use what Node wants to retire; whoever runs Barnacle can do nothing about it.
  process.noDeprecation = true;
  // Where the folder cannot be written this fails softly, and the start is some 30 ms slower.
  if (import.meta.url.endsWith(".js")) {
    module.enableCompileCache({ directory: join(here, ".cache"), portable: true });
  }
  await import("./cli.ts");
}

/** better-sqlite3 crashes on Node 20, so the Node 24 that npm installed beside us takes this process over. */
async function startOnPinnedNode(): Promise<void> {
  const pinned = join(here, `../node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (!existsSync(pinned)) {
    process.stderr.write(
      `Barnacle needs Node ${neededMajor} or newer, and this is ${process.versions.node}. ` +
        `The Node that comes with Barnacle is not at ${pinned}: ` +
        `run "npm ci" in the project folder (Linux on x64 or arm64), or install Node ${neededMajor}.\n`,
    );
    process.exit(preflightFailed);
  }
  const { handOver } = await import("./lib/hand-over.ts");
  await handOver(pinned, [...process.execArgv, ...process.argv.slice(1)]);
}
