/**
 * One space's process, from the outside in: arguments -> folders -> (bubblewrap ->) private mounts -> limits ->
 * user id -> Landlock -> filter -> becomes the server. `--probe` tells what of it works on this machine.
 */
import { realpathSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bubblewrapCommand } from "./confine/bubblewrap.ts";
import { confine, grantsFor, withoutWalls } from "./confine/confine.ts";
import { spaceFolder } from "./confine/grants.ts";
import { openNative } from "./confine/native.ts";
import { countThreads, unprivilegedId } from "./confine/privileges.ts";
import { probe } from "./confine/probe.ts";
import { prepareSpace } from "./confine/space.ts";
import { type LaunchOptions, parseLaunchOptions } from "./launch-options.ts";
import type { ServerSettings } from "./settings.ts";

try {
  const options = parseLaunchOptions(process.argv.slice(2));
  if ("probe" in options) {
    const found = await probe(options.probe, import.meta.filename, options.workspace);
    writeSync(1, `${JSON.stringify(found)}\n`);
  } else {
    await launch(options);
  }
} catch (error) {
  process.stderr.write(`The sandbox could not start: ${String(error)}\n`);
  process.exitCode = 78;
}

async function launch(given: LaunchOptions): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  const options = given.inside ? given : prepare(given, isRoot);
  if (options.by === "none") return become(options, withoutWalls(options));
  const grants = grantsFor(options, import.meta.filename);
  if (options.by === "bubblewrap" && !options.inside) {
    const { file, args } = bubblewrapCommand(options, grants, import.meta.filename, isRoot);
    return process.execve?.(file, [file, ...args], environment(options));
  }
  become(options, confine(await openNative(), options, grants, isRoot));
}

/** What can be seen and done only before there are walls. */
function prepare(given: LaunchOptions, isRoot: boolean): LaunchOptions {
  const workspace = realpathSync(given.workspace);
  const dropsRoot = isRoot && given.by !== "none";
  const own = process.getuid?.() ?? 0;
  const uid = dropsRoot ? unprivilegedId(workspace, given.space) : own;
  prepareSpace(workspace, given.space, dropsRoot ? uid : undefined);
  const threads = countThreads(uid);
  return { ...given, workspace, server: realpathSync(given.server), uid, threads };
}

function become(options: LaunchOptions, settings: ServerSettings): void {
  process.chdir(settings.home);
  const args = [
    process.execPath,
    "--disable-sigusr1",
    "--max-old-space-size=128",
    "--max-semi-space-size=2",
    options.server,
    JSON.stringify(settings),
  ];
  process.execve?.(process.execPath, args, environment(options));
}

/** All that the server and its commands get to see; nothing is inherited. */
function environment({ workspace, space }: LaunchOptions): Record<string, string> {
  const home = spaceFolder(workspace, space);
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: home,
    PWD: home,
    TMPDIR: join(home, ".tmp"),
    LANG: "C.UTF-8",
    TERM: "dumb",
    ...(process.env["TZ"] === undefined ? {} : { TZ: process.env["TZ"] }),
    USER: "sandbox",
    SHELL: "/bin/bash",
    PAGER: "cat",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    PYTHONDONTWRITEBYTECODE: "1",
    NODE_NO_WARNINGS: "1",
  };
}
