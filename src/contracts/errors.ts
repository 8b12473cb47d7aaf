/** Its message goes back to the model, so it says what to do differently. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}

/** Waiting helps with the first three; the rest need a person or another request. */
export type FailureKind =
  | "rate-limited"
  | "unavailable"
  | "timed-out"
  | "unauthorized"
  | "unpaid"
  | "unknown-model"
  | "rejected"
  | "too-long";

interface FailureOptions {
  readonly kind: FailureKind;
  /** What the other side asked us to wait. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A provider's failure. The message is a sentence for a person, without secrets. */
export class ModelError extends Error {
  override readonly name = "ModelError";
  readonly kind: FailureKind;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: FailureOptions) {
    super(message, { cause: options.cause });
    this.kind = options.kind;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A chat platform's failure. The message is a sentence for a person, without secrets. */
export class ChannelError extends Error {
  override readonly name = "ChannelError";
  readonly kind: FailureKind;
  readonly retryAfterMs: number | undefined;
  /** `not-sent`: the platform refused it or was never reached. `unknown`: it may have arrived. */
  readonly fate: "not-sent" | "unknown";

  constructor(
    message: string,
    options: FailureOptions & { readonly fate: "not-sent" | "unknown" },
  ) {
    super(message, { cause: options.cause });
    this.kind = options.kind;
    this.retryAfterMs = options.retryAfterMs;
    this.fate = options.fate;
  }
}

export interface ConfigMistake {
  /** "llm.api_key", "channels.work.allowed_users[0]"; "" for the file itself. */
  readonly path: string;
  /** A sentence: what is wrong and what to do. */
  readonly reason: string;
  readonly line?: number | undefined;
}

/** Every mistake of a config file at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly file: string;
  readonly mistakes: readonly ConfigMistake[];

  constructor(file: string, mistakes: readonly ConfigMistake[]) {
    super(
      mistakes
        .map(({ path, reason, line }) => {
          const where = line === undefined ? "" : ` (line ${line})`;
          return path === "" ? `${reason}${where}` : `${path}: ${reason}${where}`;
        })
        .join("\n"),
    );
    this.file = file;
    this.mistakes = mistakes;
  }
}

/** The state folder cannot be written: full, read-only, or gone. Nothing was changed. */
export class StateError extends Error {
  override readonly name = "StateError";
}
