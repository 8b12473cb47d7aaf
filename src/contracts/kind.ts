import type { z } from "zod";
import type { Channel } from "./channel.ts";
import type { Logger } from "./logger.ts";
import type { ChatModel } from "./model.ts";

/** What the wizard asks for one setting. */
export interface Question {
  /** The answer is stored at settings[key]. */
  readonly key: string;
  readonly ask: string;
  readonly help?: string;
  readonly secret?: boolean;
}

/** How a platform or provider describes itself: config schema, wizard, `doctor` and egress are folds over these. */
export interface Kind<Opened, Settings extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly settings: Settings;
  readonly questions: readonly Question[];
  /** Host names that egress must allow. */
  hosts(settings: z.infer<Settings>): readonly string[];
  /** Tries the credentials for real (getMe, models list). Returns a sentence of what answered; throws a sentence. */
  check?(settings: z.infer<Settings>, signal: AbortSignal): Promise<string>;
  /** The one place that imports the SDK, dynamically: an unused SDK is never loaded. */
  open(settings: z.infer<Settings>, log: Logger): Promise<Opened>;
}

export interface ChannelKind<Settings extends z.ZodObject = z.ZodObject> extends Kind<
  Channel,
  Settings
> {
  /** What an allowlist entry of this platform must look like: ids only, since names can be changed by anyone. */
  readonly userId: { readonly pattern: RegExp; readonly example: string };
}

export type ProviderKind<Settings extends z.ZodObject = z.ZodObject> = Kind<ChatModel, Settings>;
