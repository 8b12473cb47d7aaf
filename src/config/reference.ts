import * as z from "zod";
import { createConfigSchema } from "./schema.ts";
import type { Kinds } from "./schema.ts";

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** The configuration reference (Markdown): a table for each section and kind, folded from the schema itself. */
export function configReference(kinds: Kinds): string {
  const schema = createConfigSchema(kinds);
  const top = z.toJSONSchema(schema, { io: "input" });
  const { llm, channel, ...sections } = (top.properties ?? {}) as Record<string, JsonSchema>;
  const parts = [intro];
  parts.push("## The file", table(top, ["llm"]));
  parts.push(
    "## llm",
    `${llm?.description ?? ""} \`provider\` decides which further keys there are. An entry of \`fallbacks\` has the same keys, but no fallbacks of its own.`,
  );
  for (const option of llm?.oneOf ?? []) {
    parts.push(
      `### provider: ${constant(option, "provider")}`,
      table(flat(discriminatorFirst(option, "provider"))),
    );
  }
  parts.push("## channel, channels", channelsIntro);
  const options = channel?.oneOf ?? [];
  parts.push("### Every channel", table(only(options[0], commonKeys)));
  for (const option of options) {
    parts.push(
      `### type: ${constant(option, "type")}`,
      table(discriminatorFirst(without(option, commonKeys), "type")),
    );
  }
  for (const [name, section] of Object.entries(sections)) {
    const objects = objectsOf(section);
    if (objects.length === 0 || name === "channels") continue;
    parts.push(`## ${name}`, section.description ?? "");
    for (const object of objects) parts.push(table(flat(object)));
  }
  parts.push(secretsPage, examples);
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

const commonKeys = ["allowed_users", "allow_from", "allowed_chats", "pairing", "group_trigger"];

const intro = `# Configuration

<!-- Generated from src/config/schema.ts by "npm run generate"; edit that file instead. -->

One file, \`config.json\`: JSON, in which comments are allowed. An unknown key is a mistake, and all mistakes are told at
once: \`barnacle config check\`. \`barnacle config explain PATH\` tells where a value comes from and what it means, and
\`barnacle config show\` prints the whole with its defaults. Nothing here changes while the bot runs: edit the file, then
restart.

The smallest useful file:

\`\`\`json
{
  "llm": { "provider": "openrouter", "api_key": "file://openrouter_key", "model": "anthropic/claude-sonnet-4.5" },
  "channel": { "type": "telegram", "token": "env://TELEGRAM_TOKEN", "allowed_users": [123456789] }
}
\`\`\``;

const channelsIntro = `One chat platform stands in \`channel\`; several stand in \`channels\`, each under a name of your choice. \`type\` decides
which further keys there are. People are admitted by their platform's id, never by their name, since names can be changed
by anyone.`;

const secretsPage = `## Secrets

A secret (a token, a key) is written in one of three ways:

| written | means |
| --- | --- |
| \`"file://name"\` | the text of that file, in the config's folder or in \`secrets/\` there; blanks at its ends are dropped |
| \`"env://NAME"\` | that environment variable |
| anything else | the secret itself; it works, but \`barnacle doctor\` advises one of the above |`;

const examples = `## Examples

Two platforms, an owner on both, a second model for when the first cannot answer, and a limit on what is spent:

\`\`\`json
{
  "llm": {
    "provider": "anthropic",
    "api_key": "file://anthropic_key",
    "model": "claude-sonnet-4-5",
    "fallbacks": [{ "provider": "openrouter", "api_key": "file://openrouter_key", "model": "openai/gpt-4o" }]
  },
  "channels": {
    "private": { "type": "telegram", "token": "file://telegram_token", "pairing": true },
    "work": {
      "type": "slack",
      "bot_token": "file://slack_bot_token",
      "app_token": "file://slack_app_token",
      "allowed_users": ["U024BE7LH"],
      "group_trigger": "@Barnacle"
    }
  },
  "owner": [
    { "channel": "private", "id": 123456789 },
    { "channel": "work", "id": "U024BE7LH" }
  ],
  "budget": { "per_day": { "usd": 2 }, "per_chat_per_day": { "tokens": 500000 } }
}
\`\`\`

A server of your own that speaks OpenAI's protocol, and tools that may neither run commands nor read the web:

\`\`\`json
{
  "llm": { "provider": "openai", "api_key": "unused", "model": "llama3.3", "base_url": "http://127.0.0.1:11434/v1" },
  "channel": { "type": "telegram", "token": "file://telegram_token", "allowed_users": [123456789] },
  "policy": { "runs": "refuse", "fetches": "refuse" }
}
\`\`\``;

function table(schema: JsonSchema, alsoRequired: readonly string[] = []): string {
  const required = new Set([...(schema.required ?? []), ...alsoRequired]);
  const rows = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(
    ([key, property]) => {
      const standard = property.default === undefined ? "" : code(property.default);
      const presence = required.has(key) ? "required" : isEmptyDefault(property) ? "" : standard;
      return `| \`${key}\` | ${form(property)} | ${presence} | ${cell(property.description ?? "")} |`;
    },
  );
  if (rows.length === 0) return "";
  return ["| key | value | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** A section's own table has the defaults; the row that names the section needs none. */
function isEmptyDefault({ default: value }: JsonSchema): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function form(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(", ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(form))].join(" or ");
  if (schema.type === "array") return `list of ${form((schema.items ?? {}) as JsonSchema)}`;
  if (schema.type === "integer" || schema.type === "number")
    return `${schema.type === "integer" ? "whole number" : "number"}${range(schema)}`;
  if (schema.type === "string") return schema.format === "uri" ? "URL" : "text";
  if (schema.type === "boolean") return "true, false";
  return typeof schema.type === "string" ? schema.type : "any";
}

function range({ minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  const words = [
    isBound(minimum) ? `at least ${minimum}` : "",
    isBound(exclusiveMinimum) ? `more than ${exclusiveMinimum}` : "",
    isBound(maximum) ? `at most ${maximum}` : "",
  ].filter((word) => word !== "");
  return words.length === 0 ? "" : `, ${words.join(", ")}`;
}

function isBound(limit: number | boolean | undefined): limit is number {
  return typeof limit === "number" && Math.abs(limit) < Number.MAX_SAFE_INTEGER;
}

function objectsOf(schema: JsonSchema): JsonSchema[] {
  if (schema.properties !== undefined) return [schema];
  return (schema.anyOf ?? []).filter(({ properties }) => properties !== undefined);
}

/** With the keys of inner objects as rows below theirs: fetch_url.enabled. */
function flat(schema: JsonSchema): JsonSchema {
  const rows: Record<string, JsonSchema> = {};
  const required: string[] = [...(schema.required ?? [])];
  for (const [key, property] of Object.entries(
    (schema.properties ?? {}) as Record<string, JsonSchema>,
  )) {
    if (property.properties === undefined) {
      rows[key] = property;
      continue;
    }
    rows[key] = { ...property, properties: {} };
    const inner = flat(property);
    for (const [name, below] of Object.entries(inner.properties ?? {}))
      rows[`${key}.${name}`] = below as JsonSchema;
    required.push(...(inner.required ?? []).map((name) => `${key}.${name}`));
  }
  return { ...schema, properties: rows, required };
}

function discriminatorFirst(schema: JsonSchema, key: string): JsonSchema {
  const { [key]: discriminator, ...others } = schema.properties ?? {};
  return { ...schema, properties: { [key]: discriminator ?? {}, ...others } };
}

function only(schema: JsonSchema | undefined, keys: readonly string[]): JsonSchema {
  return filtered(schema ?? {}, (key) => keys.includes(key));
}

function without(schema: JsonSchema, keys: readonly string[]): JsonSchema {
  return filtered(schema, (key) => !keys.includes(key));
}

function filtered(schema: JsonSchema, keep: (key: string) => boolean): JsonSchema {
  const properties = Object.fromEntries(
    Object.entries(schema.properties ?? {}).filter(([key]) => keep(key)),
  );
  return { ...schema, properties };
}

function constant(schema: JsonSchema, key: string): string {
  const property = schema.properties?.[key];
  return typeof property === "object" ? String(property.const) : "";
}

function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
