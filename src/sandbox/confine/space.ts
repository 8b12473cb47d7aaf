import {
  closeSync,
  constants,
  fchownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
} from "node:fs";
import { join } from "node:path";
import { mainSpace, sharedSpace } from "../settings.ts";
import { spaceFolder } from "./grants.ts";

/**
 * Makes the folders of a space where they are missing. With `owner` (root only) the space, and `global` for `main`,
 * are given to that user id the first time. Throws a sentence for the operator.
 */
export function prepareSpace(workspace: string, space: string, owner: number | undefined): void {
  for (const name of [sharedSpace, space]) {
    const folder = spaceFolder(workspace, name);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw new Error(
        `The folder ${folder} could not be made. Check that the workspace may be written.`,
        {
          cause: error,
        },
      );
    }
    const info = lstatSync(folder);
    if (!info.isDirectory()) throw new Error(`${folder} must be a folder, not a link or file.`);
    const isWritten = name === space || space === mainSpace;
    if (owner !== undefined && isWritten && info.uid !== owner) giveAway(folder, owner);
  }
}

/**
 * By descriptor, never following a link, and never a file with a second name: a process of another space may be at
 * work in `global` meanwhile.
 */
function giveAway(folder: string, owner: number): void {
  const file = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const here = `/proc/self/fd/${file}`;
  try {
    for (const entry of readdirSync(here, { withFileTypes: true })) {
      const path = join(here, entry.name);
      if (entry.isDirectory()) giveAway(path, owner);
      else if (lstatSync(path).nlink === 1) lchownSync(path, owner, owner);
    }
    fchownSync(file, owner, owner);
  } finally {
    closeSync(file);
  }
}
