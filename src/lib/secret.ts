import { inspect } from "node:util";
import * as z from "zod";

/**
 * A value that never prints itself. Made from what stands in the config: a literal, `file://name` or `env://NAME`;
 * the config loader resolves it once, before anything may reveal it.
 */
export class Secret {
  readonly reference: string;
  #value: string | undefined;

  constructor(reference: string, value?: string) {
    this.reference = reference;
    this.#value = value;
  }

  /** "literal", or the reference itself, which is no secret. */
  get source(): string {
    return /^(file|env):\/\//.test(this.reference) ? this.reference : "literal";
  }

  resolve(value: string): void {
    this.#value = value;
  }

  reveal(): string {
    if (this.#value === undefined) throw new Error(`The secret ${this.source} was not resolved.`);
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}

/** A config value that is a secret: literal, `file://name` (beside the config) or `env://NAME`. */
export const secret = z
  .string()
  .min(1)
  .transform((reference) => new Secret(reference));
