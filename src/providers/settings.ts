import * as z from "zod";
import { secret } from "../lib/secret.ts";
import type { Secret } from "../lib/secret.ts";

/** What any provider's config may say about its model and the address. Fields become the reference page. */
export function modelSettings(defaults: { readonly baseUrl: string; readonly model: string }) {
  return {
    model: z
      .string()
      .trim()
      .min(1)
      .describe(`The model's name as the provider writes it, such as ${defaults.model}.`),
    base_url: z
      .url({ protocol: /^https?$/, error: "must be a http:// or https:// address" })
      .refine((url) => !hasCredentials(url), {
        error: "must not hold a user name or password; put the key into api_key",
      })
      .default(defaults.baseUrl)
      .describe("Where the provider's API answers; set it for a proxy or a server of your own."),
    max_output_tokens: z
      .int()
      .min(256)
      .max(1_000_000)
      .optional()
      .describe("The longest answer to ask for, in tokens; by default what suits the model."),
    context_window: z
      .int()
      .min(2048)
      .max(100_000_000)
      .optional()
      .describe(
        "Tokens the model can hold, input and output together; by default what is known of the model's family.",
      ),
    headers: z
      .record(z.string().regex(/^[A-Za-z0-9-]+$/, "must be a header's name"), secret)
      .optional()
      .describe("Further HTTP headers for every request; their values are kept like secrets."),
  };
}

export const requiredKey = secret.describe("The provider's API key.");

export const optionalKey = secret
  .optional()
  .describe("The server's API key, where it asks for one.");

export const thinkingSetting = z
  .enum(["off", "low", "medium", "high"])
  .optional()
  .describe("How long the model may think before it answers; left out, the model's own default.");

export type Thinking = z.infer<typeof thinkingSetting>;

/** The settings that the kinds with a network have in common, parsed. */
export interface RemoteSettings {
  readonly model: string;
  readonly base_url: string;
  readonly api_key?: Secret | undefined;
  readonly max_output_tokens?: number | undefined;
  readonly context_window?: number | undefined;
  readonly headers?: Readonly<Record<string, Secret>> | undefined;
  readonly thinking?: Thinking;
}

/** The host name in a base URL, without port: what egress must allow. */
export function hostOf(baseUrl: string): string {
  return new URL(baseUrl).hostname.replace(/^\[|\]$/g, "");
}

/** Extra headers as plain text. */
export function plainHeaders(settings: RemoteSettings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings.headers ?? {}).map(([name, value]) => [name, value.reveal()]),
  );
}

/** Every value that must never appear in an error's words. */
export function secretValues(settings: RemoteSettings): string[] {
  return [settings.api_key, ...Object.values(settings.headers ?? {})]
    .filter((value) => value !== undefined)
    .map((value) => value.reveal());
}

function hasCredentials(url: string): boolean {
  try {
    const { username, password } = new URL(url);
    return username !== "" || password !== "";
  } catch {
    return false; // not a URL at all: told by the other check
  }
}
