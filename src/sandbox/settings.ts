import * as z from "zod";

/** What a sandbox process may use. Bytes, milliseconds and counts. */
export const sandboxLimits = z.object({
  /** Of one file, whoever writes it. */
  fileBytes: z.number().default(256 * 1024 * 1024),
  /** Kept free on the disk: 5 % of it, but no more than this. */
  diskReserveBytes: z.number().default(256 * 1024 * 1024),
  /** By which one command may lessen the free space and the free inodes of the disk. */
  commandDiskBytes: z.number().default(1024 * 1024 * 1024),
  commandInodes: z.number().default(100_000),
  /** Anonymous memory of a command's processes in sum; each may have no more data than this either. */
  commandMemoryBytes: z.number().default(1024 * 1024 * 1024),
  /** Processes and threads above what the user has when the sandbox starts. */
  processes: z.number().default(160),
  openFiles: z.number().default(1024),
  /** Of what one command prints; the middle is left out. */
  outputBytes: z.number().default(48 * 1024),
  /** Of an attachment. */
  uploadBytes: z.number().default(25 * 1024 * 1024),
});

export type SandboxLimits = z.infer<typeof sandboxLimits>;

/** What the launcher tells the server that it becomes. Nothing in it is secret: commands can see it. */
export const serverSettings = z.object({
  space: z.string(),
  /** The workspace's root, for persona and skill files. */
  root: z.string(),
  /** The folder of the space: every tool's working folder. */
  home: z.string(),
  /** The folder shared by all spaces, and whether this one may write it. */
  shared: z.string(),
  mayWriteShared: z.boolean(),
  by: z.enum(["landlock", "bubblewrap", "none"]),
  /** Whether a signal to everybody (-1) reaches descendants only, so that it can be used to end them all. */
  signalsStayInside: z.boolean(),
  /** Passed on to the filter for commands. */
  signalWall: z.enum(["domain", "user", "filter"]),
  /** For the narrower domain of commands; none without Landlock. */
  landlock: z
    .object({
      abi: z.number(),
      grants: z.array(
        z.object({ path: z.string(), access: z.enum(["read", "execute", "write", "device"]) }),
      ),
    })
    .optional(),
  limits: sandboxLimits,
});

export type ServerSettings = z.infer<typeof serverSettings>;

/** Names of spaces are folder names as well. */
export const spacePattern = /^[A-Za-z0-9_-]{1,64}$/;

export const sharedSpace = "global";
export const mainSpace = "main";
