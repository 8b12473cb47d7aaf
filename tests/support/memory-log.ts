import type { Logger } from "../../src/contracts/logger.ts";

export interface MemoryLog extends Logger {
  /** One JSON text per line, as a log would hold it. */
  readonly lines: string[];
}

/** A logger that keeps what it is told. */
export function createMemoryLog(lines: string[] = [], inherited: object = {}): MemoryLog {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push(JSON.stringify({ level, ...inherited, ...fields, message }));
  };
  return {
    lines,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createMemoryLog(lines, { ...inherited, ...fields }),
  };
}
