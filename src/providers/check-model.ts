import * as z from "zod";
import { ModelError } from "../contracts/errors.ts";
import { apiFailure, modelFailure } from "./failure.ts";
import type { Platform } from "./failure.ts";
import { readText } from "./read-text.ts";

interface Check {
  readonly platform: Platform;
  readonly listUrl: string;
  /** Answers for one model, aliases included, where the platform has that. */
  readonly modelUrl?: string | undefined;
  /** Refuses a wrong key, where the list of models is public (OpenRouter). */
  readonly keyUrl?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether a model that is not in the list certainly does not exist. */
  readonly listsAll: boolean;
  readonly signal: AbortSignal;
}

const listSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

/** Tries key and model for real without spending a token. Returns what answered; throws a `ModelError`. */
export async function checkModel(check: Check): Promise<string> {
  const { platform, signal } = check;
  try {
    if (check.keyUrl !== undefined) await ask(check.keyUrl, check);
    const list = await ask(check.listUrl, check);
    const host = new URL(check.listUrl).host;
    if (list === undefined) {
      return `${platform.name} at ${host} answers, but lists no models, so key and model were not tried.`;
    }
    const ids = listSchema.safeParse(list).data?.data.map(({ id }) => id) ?? [];
    if (ids.some((id) => isSame(id, platform.model))) {
      return `${platform.name} at ${host} accepted the key and has "${platform.model}".`;
    }
    if (check.modelUrl !== undefined && (await ask(check.modelUrl, check)) !== undefined) {
      return `${platform.name} at ${host} accepted the key and knows "${platform.model}".`;
    }
    const near = nearest(platform.model, ids);
    const hint = near.length === 0 ? "" : ` It has ${near.map((id) => `"${id}"`).join(", ")}.`;
    const text = `${platform.name} at ${host} does not list "${platform.model}".${hint}`;
    if (!check.listsAll && check.modelUrl === undefined) return `${text} It may still answer.`;
    throw new ModelError(text, { kind: "unknown-model" });
  } catch (error) {
    signal.throwIfAborted();
    throw modelFailure(error, platform);
  }
}

/** The JSON of a GET; undefined where the server has no such page. */
async function ask(url: string, { platform, headers, signal }: Check): Promise<unknown> {
  const response = await fetch(url, { headers, signal, redirect: "error" });
  const body = await readText(response);
  if (response.status === 404 || response.status === 405) return undefined;
  if (!response.ok) throw apiFailure(response.status, response.headers, parsed(body), platform);
  return parsed(body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text; // an error page
  }
}

/** Ollama lists "llama3.2:latest" for "llama3.2"; OpenRouter takes variants behind a colon that it does not list. */
function isSame(listed: string, model: string): boolean {
  return (
    listed === model || listed === `${model}:latest` || listed === model.replace(/:[a-z]+$/, "")
  );
}

/** Up to three listed names that share most of the wanted one's parts. */
function nearest(model: string, ids: readonly string[]): string[] {
  const wanted = new Set(parts(model));
  const score = (id: string): number => parts(id).filter((part) => wanted.has(part)).length;
  return [...ids].sort((a, b) => score(b) - score(a)).slice(0, 3);
}

function parts(id: string): string[] {
  return id.toLowerCase().split(/[^a-z0-9]+/);
}
