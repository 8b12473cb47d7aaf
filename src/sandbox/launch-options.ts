import { isAbsolute } from "node:path";
import { parseArgs } from "node:util";
import { defaultLimits, type SandboxLimits, sharedSpace, spacePattern } from "./settings.ts";

/** What the gateway hands to the launcher as arguments. */
export interface LaunchOptions {
  readonly workspace: string;
  readonly space: string;
  readonly by: "landlock" | "bubblewrap" | "none";
  readonly server: string;
  readonly limits: SandboxLimits;
  /** Whose end is ours. */
  readonly parent: number;
  /** A lower Landlock ABI than the kernel's, to see how an older one does. */
  readonly abi: number;
  /** Whom the server runs as, and how many processes and threads that user has: found out by the first start. */
  readonly uid: number;
  readonly threads: number;
  /** Set by ourselves for the second start, inside bubblewrap. */
  readonly inside: boolean;
}

export interface ProbeOptions {
  /** "auto" or one way to confine. */
  readonly probe: string;
  readonly workspace: string | undefined;
}

/** By hand, since loading zod would take a third of the launcher's time. Throws a sentence for whoever calls it. */
export function parseLaunchOptions(args: readonly string[]): LaunchOptions | ProbeOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      probe: { type: "string" },
      workspace: { type: "string", default: "" },
      space: { type: "string", default: "" },
      by: { type: "string", default: "" },
      server: { type: "string", default: "" },
      limits: { type: "string", default: "{}" },
      parent: { type: "string", default: String(process.ppid) },
      abi: { type: "string", default: String(Number.MAX_SAFE_INTEGER) },
      uid: { type: "string", default: "-1" },
      threads: { type: "string", default: "0" },
      inside: { type: "boolean", default: false },
    },
  });
  const { probe, workspace, space, by, server, inside } = values;
  if (probe !== undefined) return { probe, workspace: workspace === "" ? undefined : workspace };
  if (!isAbsolute(workspace)) throw new Error("--workspace must be an absolute path.");
  if (!isAbsolute(server)) throw new Error("--server must be an absolute path.");
  if (!spacePattern.test(space) || space === sharedSpace) {
    throw new Error("--space must be 1 to 64 letters, digits, - and _, and not the shared one.");
  }
  if (by !== "landlock" && by !== "bubblewrap" && by !== "none") {
    throw new Error('--by must be "landlock", "bubblewrap" or "none".');
  }
  return {
    workspace,
    space,
    by,
    server,
    inside,
    limits: { ...defaultLimits, ...(JSON.parse(values.limits) as Partial<SandboxLimits>) },
    parent: Number(values.parent),
    abi: Number(values.abi),
    uid: Number(values.uid),
    threads: Number(values.threads),
  };
}
