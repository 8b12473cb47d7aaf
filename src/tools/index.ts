import type { Tool } from "../contracts/tool.ts";
import { createFetchUrl } from "./fetch-url.ts";
import type { FetchUrlDeps } from "./fetch-url.ts";

export interface BuiltinToolDeps {
  /** Left out where the config turned it off. */
  readonly fetchUrl?: FetchUrlDeps | undefined;
}

/** The tools that run in the gateway's own process, in the order in which the model sees them. */
export function createBuiltinTools({ fetchUrl }: BuiltinToolDeps): readonly Tool[] {
  return fetchUrl === undefined ? [] : [createFetchUrl(fetchUrl)];
}
