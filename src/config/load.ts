import { statSync } from "node:fs";
import { ConfigError } from "../contracts/errors.ts";
import type { ConfigMistake } from "../contracts/errors.ts";
import { checkMeaning } from "./check-meaning.ts";
import type { Requirement } from "./check-meaning.ts";
import type { Config } from "./config.ts";
import { parseDocument, readDocument } from "./document.ts";
import type { ConfigDocument } from "./document.ts";
import { guessKinds } from "./guess-kinds.ts";
import { explainIssues } from "./mistakes.ts";
import { normalise } from "./normalise.ts";
import { formatPath, isRecord } from "./path.ts";
import type { Segment } from "./path.ts";
import { removeRetired, retiredKeys } from "./retired.ts";
import type { RetiredKey } from "./retired.ts";
import { secretsIn } from "./schema-walk.ts";
import { createConfigSchema } from "./schema.ts";
import type { ConfigInput, ConfigSchema, Kinds } from "./schema.ts";
import { findSecrets, resolveSecret } from "./secrets.ts";
import type { SecretResult } from "./secrets.ts";

export interface LoadOptions {
  readonly kinds: Kinds;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What must be there; the language model unless told otherwise. */
  readonly require?: readonly Requirement[];
  readonly retired?: readonly RetiredKey[];
}

/** Something that works, and that the operator should know. */
export interface ConfigWarning {
  readonly path: string;
  /** A sentence. */
  readonly reason: string;
  readonly line: number | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  readonly warnings: readonly ConfigWarning[];
  /** Every resolved secret, for the log's redactor. */
  readonly secretValues: readonly string[];
  /** Where things stand and what they mean: for `config show` and `config explain`. */
  readonly source: {
    readonly document: ConfigDocument;
    readonly schema: ConfigSchema;
    readonly effective: ConfigInput;
  };
}

/**
 * file -> text -> value with places -> schema, meaning and secrets -> Config
 * @throws ConfigError with every mistake at once.
 */
export function loadConfig(file: string, options: LoadOptions): LoadedConfig {
  return parseConfig(file, readDocument(file), options);
}

/** As `loadConfig`, for a text that need not be in a file; `file` says where `file://` secrets are looked for. */
export function parseConfig(file: string, text: string, options: LoadOptions): LoadedConfig {
  const { kinds, env } = options;
  const written = parseDocument(file, text);
  if (!isRecord(written.value)) {
    throw new ConfigError(file, [
      {
        path: "",
        reason:
          'The configuration must be an object in { }, such as { "llm": ..., "channel": ... }.',
      },
    ]);
  }
  const retired = removeRetired(written, options.retired ?? retiredKeys);
  const document = { ...written, value: retired.value };
  const { schema, parsed } = parseValue(kinds, document.value);
  const secrets = secretsIn(schema, document.value).map(({ path, reference }) => ({
    path,
    reference,
    result: resolveSecret(reference, { configFile: file, env }),
  }));

  const mistakes: ConfigMistake[] = [
    ...document.mistakes,
    ...checkMeaning(document, kinds.channelKinds, options.require ?? ["llm"]),
    ...explainAll(parsed.error?.issues ?? [], schema, document),
    ...secrets.flatMap(({ path, result }) =>
      "mistake" in result
        ? [{ path: formatPath(path), reason: result.mistake, line: document.lineOf(path) }]
        : [],
    ),
  ];
  if (!parsed.success || mistakes.length > 0) throw new ConfigError(file, inOrder(mistakes));

  const results = new Map(secrets.map(({ reference, result }) => [reference, result]));
  const secretValues = fillIn(parsed.data, results);
  const config = normalise(parsed.data);
  const warn = (path: readonly Segment[], reason: string): ConfigWarning => ({
    path: formatPath(path),
    reason,
    line: document.lineOf(path),
  });
  const warnings = [
    ...retired.warnings.map(({ path, reason }) => warn(path, reason)),
    ...secrets.flatMap(({ path, result }) =>
      "warning" in result && result.warning !== undefined ? [warn(path, result.warning)] : [],
    ),
    ...openFileWarning(
      file,
      secrets.some(({ reference }) => !/^(file|env):\/\//i.test(reference)),
    ),
    ...accessWarnings(config, document.value, warn),
  ];
  return { config, warnings, secretValues, source: { document, schema, effective: parsed.data } };
}

/**
 * A sound file is read with the schema of the kinds that it names: making that of all takes as long as the rest of
 * reading. Only a mistake needs them all, since it is explained by what could have stood there.
 */
function parseValue(kinds: Kinds, value: unknown) {
  const named = new Set(namesOfKinds(value));
  const isNamed = ({ name }: { readonly name: string }): boolean => named.has(name);
  const some = {
    channelKinds: kinds.channelKinds.filter(isNamed),
    providerKinds: kinds.providerKinds.filter(isNamed),
  };
  if (some.channelKinds.length > 0 && some.providerKinds.length > 0) {
    const schema = createConfigSchema(some);
    const parsed = schema.safeParse(value);
    if (parsed.success) return { schema, parsed };
  }
  const schema = createConfigSchema(kinds);
  return { schema, parsed: schema.safeParse(value) };
}

/** Every `type` and `provider` in the file. */
function namesOfKinds(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(namesOfKinds);
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    (key === "type" || key === "provider") && typeof inner === "string"
      ? [inner]
      : namesOfKinds(inner),
  );
}

/** Also what stands in a block whose kind is mistyped, as far as the kind can be guessed. */
function explainAll(
  issues: Parameters<typeof explainIssues>[0],
  schema: ConfigSchema,
  document: ConfigDocument,
): ConfigMistake[] {
  const mistakes = explainIssues(issues, schema, document);
  const guessed = guessKinds(issues, document);
  if (guessed === undefined) return mistakes;
  const more = schema.safeParse(guessed.value).error?.issues ?? [];
  return [...mistakes, ...explainIssues(more, schema, guessed)];
}

/** Reading order, one mistake a place: what a check says about meaning beats what the schema says about form. */
function inOrder(mistakes: readonly ConfigMistake[]): ConfigMistake[] {
  const first = new Map<string, ConfigMistake>();
  for (const mistake of mistakes) {
    if (!first.has(mistake.path)) first.set(mistake.path, mistake);
  }
  return [...first.values()].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

function fillIn(parsed: unknown, results: ReadonlyMap<string, SecretResult>): string[] {
  return findSecrets(parsed).map((secret) => {
    const result = results.get(secret.reference);
    if (result === undefined || !("value" in result)) {
      throw new Error(`A secret (${secret.source}) stands where the schema does not show one.`);
    }
    secret.resolve(result.value);
    return result.value;
  });
}

function openFileWarning(file: string, hasLiterals: boolean): ConfigWarning[] {
  const mode = hasLiterals ? statSync(file, { throwIfNoEntry: false })?.mode : undefined;
  if (mode === undefined || (mode & 0o004) === 0) return [];
  return [
    {
      path: "",
      reason: `${file} has secrets in it and can be read by every user of this machine; chmod 600 it.`,
      line: undefined,
    },
  ];
}

function accessWarnings(
  { channels }: Config,
  root: unknown,
  warn: (path: readonly Segment[], reason: string) => ConfigWarning,
): ConfigWarning[] {
  const isShort = isRecord(root) && root["channel"] !== undefined;
  return channels.flatMap(({ name, access }) => {
    const path = isShort ? ["channel"] : ["channels", name];
    if (access.allowedUsers === "everyone") {
      return [
        warn(
          [...path, "allowed_users"],
          "admits everyone who finds the bot; each of them spends your budget.",
        ),
      ];
    }
    const admitsNobody = access.allowedUsers.length === 0 && !access.pairing;
    const opensRooms = access.allowedChats?.some(({ members }) => members === "all") ?? false;
    return admitsNobody && !opensRooms
      ? [
          warn(
            [...path, "allowed_users"],
            "is empty and pairing is off: only the owner is admitted.",
          ),
        ]
      : [];
  });
}
