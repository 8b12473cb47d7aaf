type Fields = Readonly<Record<string, unknown>>;

/** Facts with names, ids not texts: `log.warn({ address, attempt, waitMs }, "send failed, waiting")`. */
export interface Logger {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  child(fields: Fields): Logger;
}
