import type { Grant } from "./confine/landlock.ts";
import type { SignalWall } from "./confine/filter.ts";

/** What a sandbox process may use. Bytes, milliseconds and counts. */
export interface SandboxLimits {
  /** Of one file, whoever writes it. */
  readonly fileBytes: number;
  /** Kept free on the disk: 5 % of it, but no more than this. */
  readonly diskReserveBytes: number;
  /** By which one command may lessen the free space and the free inodes of the disk. */
  readonly commandDiskBytes: number;
  readonly commandInodes: number;
  /** Anonymous memory of a command's processes in sum; each may have no more data than this either. */
  readonly commandMemoryBytes: number;
  /** Processes and threads above what the user has when the sandbox starts. */
  readonly processes: number;
  readonly openFiles: number;
  /** Of what one command prints; the middle is left out. */
  readonly outputBytes: number;
  /** Of an attachment. */
  readonly uploadBytes: number;
}

const mebibyte = 1024 * 1024;

export const defaultLimits: SandboxLimits = {
  fileBytes: 256 * mebibyte,
  diskReserveBytes: 256 * mebibyte,
  commandDiskBytes: 1024 * mebibyte,
  commandInodes: 100_000,
  commandMemoryBytes: 1024 * mebibyte,
  processes: 160,
  openFiles: 1024,
  outputBytes: 48 * 1024,
  uploadBytes: 25 * mebibyte,
};

/** What the launcher tells the server that it becomes. Nothing in it is secret: commands can see it. */
export interface ServerSettings {
  readonly space: string;
  /** The workspace's root, for persona and skill files. */
  readonly root: string;
  /** The folder of the space: every tool's working folder. */
  readonly home: string;
  /** The folder shared by all spaces, and whether this one may write it. */
  readonly shared: string;
  readonly mayWriteShared: boolean;
  readonly by: "landlock" | "bubblewrap" | "none";
  /** Whether a signal to everybody (-1) reaches descendants only, so that it can be used to end them all. */
  readonly signalsStayInside: boolean;
  /** Passed on to the filter for commands. */
  readonly signalWall: SignalWall;
  /** For the narrower domain of commands; none without Landlock. */
  readonly landlock?: { readonly abi: number; readonly grants: readonly Grant[] } | undefined;
  readonly limits: SandboxLimits;
}

/** Names of spaces are folder names as well. */
export const spacePattern = /^[A-Za-z0-9_-]{1,64}$/;

export const sharedSpace = "global";
export const mainSpace = "main";
