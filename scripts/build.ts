// Bundles src into dist: entries -> chunks (SDKs stay lazy) -> native addons beside them -> template -> compile cache.
// dist needs no node_modules: copied elsewhere, it runs with a Node 24 alone.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { warmUp } from "./warm-up.ts";

const root = join(import.meta.dirname, "..");

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      outdir: { type: "string", default: join(root, "dist") },
      "no-warm-up": { type: "boolean", default: false },
    },
  });
  const outdir = resolve(flags.outdir);
  const staging = `${outdir}.new-${process.pid}`;
  try {
    const bytes = await bundle(staging);
    replaceFolder(outdir, staging);
    process.stdout.write(`${outdir}: ${(bytes / 1e6).toFixed(1)} MB\n`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  if (!flags["no-warm-up"]) await warmUp(outdir);
}

/** Returns the bytes written by esbuild. */
async function bundle(into: string): Promise<number> {
  const shared: BuildOptions = {
    bundle: true,
    format: "esm",
    platform: "node",
    splitting: true,
    outdir: into,
    outbase: join(root, "src"),
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    minify: true,
    // grammY checks constructors by name: minified without this it fails with "Expected signal to be an instanceof
    // AbortSignal".
    keepNames: true,
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
    absWorkingDir: root,
    loader: { ".node": "copy" },
    // Its CommonJS half hides its own `require` from bundlers.
    alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
    // CommonJS packages call `require` for Node's own modules, which an ES module does not have.
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
  };
  const main = await build({
    ...shared,
    target: "node24",
    entryPoints: {
      cli: "src/cli.ts",
      "sandbox/launch": "src/sandbox/launch.ts",
      "sandbox/server": "src/sandbox/server.ts",
      "html-worker": "src/tools/html/worker.ts",
    },
    plugins: [nativeAddons, unusedParts],
  });
  const start = await build({
    ...shared,
    target: "node20",
    keepNames: false,
    entryPoints: { barnacle: "src/barnacle.ts" },
    plugins: [nativeAddons, cliStaysOutside],
  });
  cpSync(join(root, "workspace-template"), join(into, "workspace-template"), { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  writeFileSync(
    join(into, "package.json"),
    `${JSON.stringify({ name: "barnacle", version, private: true, type: "module" }, null, 2)}\n`,
  );
  return [main, start]
    .flatMap(({ metafile }) => Object.values(metafile?.outputs ?? {}))
    .reduce((sum, output) => sum + output.bytes, 0);
}

/** The two native packages look for their addon by path at run time; here it becomes a file beside the bundle. */
const nativeAddons: Plugin = {
  name: "native-addons",
  setup(esbuild) {
    const musl = process.platform === "linux" && !hasGlibc();
    const require = createRequire(import.meta.url);

    esbuild.onResolve({ filter: /^better-sqlite3$/ }, () => ({
      path: require.resolve(
        `better-sqlite3/${process.platform}${musl ? "musl" : ""}-${process.arch}`,
      ),
    }));

    const koffi = dirname(require.resolve("koffi"));
    const platform = `${process.platform}-${process.arch}`;
    const addon = join(
      dirname(createRequire(join(koffi, "index.cjs")).resolve(`@koromix/koffi-${platform}`)),
      `${musl ? "musl" : process.platform}_${process.arch}/koffi.node`,
    );
    esbuild.onLoad({ filter: /\/koffi\/src\/koffi\/src\/static\.js$/ }, () => ({
      contents: `export function loadStatic() { return require(${JSON.stringify(addon)}); }`,
      resolveDir: dirname(addon),
    }));
  },
};

/** What packages drag along and never use here: half a megabyte to read, compile and keep at every start. */
const unusedParts: Plugin = {
  name: "unused-parts",
  setup(esbuild) {
    // Error messages in fifty languages; English is imported by itself.
    esbuild.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export {};",
    }));
    // node-fetch takes it for its URL class where Node has none; it comes with a table of all Unicode names.
    esbuild.onLoad({ filter: /\/whatwg-url\/lib\/public-api\.js$/ }, () => ({
      contents: "exports.URL = URL;",
    }));
  },
};

const cliStaysOutside: Plugin = {
  name: "cli-stays-outside",
  setup(esbuild) {
    esbuild.onResolve({ filter: /^\.\/cli\.ts$/ }, () => ({ path: "./cli.js", external: true }));
  },
};

function hasGlibc(): boolean {
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime !== undefined;
}

/** A half-built dist is never seen: the old one goes only once the new one is whole. */
function replaceFolder(folder: string, by: string): void {
  const old = `${folder}.old-${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(by, folder);
  rmSync(old, { recursive: true, force: true });
}

await main();
