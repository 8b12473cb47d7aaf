import * as z from "zod";
import type { Effect } from "../contracts/tool.ts";

/** A tool of the sandbox, as data: the gateway offers it by this text, never by what the sandbox says. */
export interface SandboxSpec {
  readonly name: string;
  readonly description: string;
  readonly effect: Effect;
  readonly input: z.ZodObject;
}

const path = z.string().min(1).max(4096);

export const inputs = {
  read_file: z.object({
    path,
    offset: z.int().min(1).optional().describe("First line, from 1."),
    limit: z.int().min(1).max(5000).optional().describe("Lines, at most 2000 unless given."),
  }),
  write_file: z.object({ path, content: z.string() }),
  edit_file: z.object({
    path,
    old_text: z.string().min(1).describe("Exact text, unique in the file."),
    new_text: z.string(),
    all: z.boolean().optional().describe("Replace every occurrence."),
  }),
  list_files: z.object({
    path: path.optional(),
    recursive: z.boolean().optional(),
  }),
  search_files: z.object({
    pattern: z.string().min(1).max(1000).describe("Regular expression, by line."),
    path: path.optional(),
    glob: z.string().max(200).optional().describe('File names, such as "*.md".'),
  }),
  run_command: z.object({
    command: z.string().min(1).max(65_536),
    timeout_seconds: z.int().min(1).max(600).optional().describe("At most 600."),
  }),
};

export const sandboxSpecs: readonly SandboxSpec[] = [
  {
    name: "read_file",
    description:
      "Read a text file of your workspace. Paths are relative; global/ is the shared folder.",
    effect: "reads",
    input: inputs.read_file,
  },
  {
    name: "write_file",
    description: "Create or replace a file; missing folders are made.",
    effect: "writes",
    input: inputs.write_file,
  },
  {
    name: "edit_file",
    description: "Replace exact text in a file. Returns the diff.",
    effect: "writes",
    input: inputs.edit_file,
  },
  {
    name: "list_files",
    description: "List a folder.",
    effect: "reads",
    input: inputs.list_files,
  },
  {
    name: "search_files",
    description: "Find lines that match in the files below a path.",
    effect: "reads",
    input: inputs.search_files,
  },
  {
    name: "run_command",
    description:
      "Run a bash command in your workspace, sealed off: no network, and what it leaves running is ended.",
    effect: "runs",
    input: inputs.run_command,
  },
];

/** Not for the model: how the gateway hands over an attachment. */
export const uploadTool = "save_upload";
export const uploadInput = z.object({ name: z.string().min(1).max(4096), data_base64: z.string() });

/** Resources are read by this address and the path below the workspace's root. */
export const resourcePrefix = "workspace:///";
/** In the order in which they are joined. */
export const personaFiles = ["AGENTS.md", "SOUL.md", "IDENTITY.md", "USER.md"];
