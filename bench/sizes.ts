import { existsSync, lstatSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** Bytes of all files below a folder, links not followed; 0 where there is none. */
export function sizeOf(folder: string): number {
  if (!existsSync(folder)) return 0;
  const start = realpathSync(folder);
  let bytes = 0;
  for (const entry of readdirSync(start, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}
