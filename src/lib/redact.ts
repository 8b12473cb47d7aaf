/** Takes secrets out of texts by their value, in the forms in which they turn up: as they are, in URLs, in base64. */
export interface Redactor {
  /** Values shorter than 6 characters are not taken: they would blot out ordinary words. */
  add(...values: readonly string[]): void;
  readonly redact: (text: string) => string;
}

const minSecretLength = 6;
const mask = "[secret]";

export function createRedactor(values: readonly string[] = []): Redactor {
  const forms = new Set<string>();
  let pattern: RegExp | undefined;
  const redactor: Redactor = {
    add(...added) {
      for (const value of added) {
        if (value.length < minSecretLength) continue;
        for (const form of formsOf(value)) forms.add(form);
      }
      // Longest first, so that no form leaves the rest of a longer one behind.
      const ordered = [...forms].sort((a, b) => b.length - a.length);
      pattern = ordered.length === 0 ? undefined : new RegExp(ordered.map(escape).join("|"), "g");
    },
    redact: (text) => (pattern === undefined ? text : text.replace(pattern, mask)),
  };
  redactor.add(...values);
  return redactor;
}

/** Spellings of a secret. Percent codes are taken in either case, whole or for all but the plainest characters. */
function formsOf(value: string): string[] {
  const encoded = encodeURIComponent(value.toWellFormed());
  const strict = encoded.replace(/[!'()*.~_-]/g, (char) => `%${hex(char)}`);
  const spellings = [encoded, strict, encoded.replaceAll("%20", "+")];
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    ...spellings,
    ...spellings.map((text) => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
    ...base64Forms(value),
  ].filter((form) => form.length >= minSecretLength);
}

/**
 * The characters of base64 that depend on the secret alone, for each of the three ways in which it can lie
 * in a longer text ("user:secret" of HTTP Basic): only whole 6-bit groups, so neighbours do not change them.
 */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const first = Math.ceil((offset * 8) / 6);
    const last = Math.floor(((offset + bytes.length) * 8) / 6);
    const inner = text.slice(first, last);
    return inner.length < minSecretLength
      ? []
      : [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  });
}

function hex(char: string): string {
  return char.charCodeAt(0).toString(16).toUpperCase();
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
