import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { errorText } from "../lib/error-text.ts";
import { workspaceTemplate } from "../runtime-files.ts";
import { CliError, exitCodes } from "./output.ts";

/** Makes a workspace that is not there, or empty, from the template; one that holds anything is used as it is. */
export function prepareWorkspace(workspace: string): void {
  try {
    mkdirSync(workspace, { recursive: true });
    if (readdirSync(workspace).length === 0) {
      cpSync(workspaceTemplate(), workspace, { recursive: true });
    }
  } catch (error) {
    throw new CliError(
      `The workspace ${workspace} cannot be made: ${errorText(error)}. Choose a folder that can be written with --workspace DIR.`,
      "workspace",
      exitCodes.preflight,
    );
  }
}
