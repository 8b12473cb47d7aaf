import type { Logger } from "../../src/contracts/logger.ts";

/** Takes everything, keeps nothing. */
export const silentLog: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
