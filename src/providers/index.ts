import type { ProviderKind } from "../contracts/kind.ts";
import { anthropic } from "./anthropic.ts";
import { offline } from "./offline.ts";
import { openaiKinds } from "./openai.ts";

/** Every kind of `llm.provider`; the order is the menu's. Adding one is one file and one line. */
export const providerKinds: readonly ProviderKind[] = [anthropic, ...openaiKinds, offline];
