import type { Tool } from "./tool.ts";

/** How the sandbox is walled in on this machine. */
export interface Confinement {
  readonly by: "landlock" | "bubblewrap" | "none";
  /** False without a wall: then only the file tools are offered. */
  readonly runsCommands: boolean;
  /** A sentence for the operator: what walls it in, or what is missing and what to install. */
  readonly explanation: string;
}

/**
 * The room that has the workspace and runs commands, seen from the gateway. A space (`main`, `telegram-42`) is a
 * folder under `workspace/spaces/`; each has its own confined process, started on first use, stopped when idle.
 */
export interface Sandbox {
  /** Found out once, without starting a space. */
  confinement(): Promise<Confinement>;
  /** The workspace tools, in a fixed order and with fixed bytes; `run_command` only if commands can be confined. */
  tools(): Promise<readonly Tool[]>;
  /** The operator's persona files (AGENTS.md, SOUL.md, IDENTITY.md, USER.md) joined, "" if none. */
  persona(space: string, signal: AbortSignal): Promise<string>;
  /** Stores an attachment under a safe, free name; returns its path relative to the space. */
  saveUpload(space: string, name: string, data: Uint8Array, signal: AbortSignal): Promise<string>;
  stop(): Promise<void>;
}
