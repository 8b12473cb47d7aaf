import { fileURLToPath } from "node:url";

/** Whether this code runs from the bundle in dist/ rather than from src/. */
const bundled = !import.meta.url.endsWith("/src/runtime-files.ts");

function beside(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** The sandbox's launcher and server, beside this code. */
export function sandboxFiles(): { readonly launcher: string; readonly server: string } {
  return bundled
    ? { launcher: beside("./sandbox/launch.js"), server: beside("./sandbox/server.js") }
    : { launcher: beside("./sandbox/launch.ts"), server: beside("./sandbox/server.ts") };
}

/** The folder that holds `dist` or `src`: a checkout, or wherever the bundle was put. */
export function installFolder(): string {
  return beside("..");
}

/** The folder that a new workspace is copied from. */
export function workspaceTemplate(): string {
  return beside(bundled ? "./workspace-template" : "../workspace-template");
}
