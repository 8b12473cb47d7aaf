import type { Effect } from "../contracts/tool.ts";

/** The configuration as the parts take it: aliases merged, defaults filled in, durations in ms, sizes in bytes. */
export interface Config {
  /** The main model first, then `llm.fallbacks` in their order. Empty only if the loader was not told to require it. */
  readonly models: readonly ModelConfig[];
  readonly channels: readonly ChannelConfig[];
  readonly owners: readonly Owner[];
  readonly agent: AgentConfig;
  readonly tools: { readonly fetchUrl: FetchUrlConfig };
  readonly sandbox: SandboxConfig;
  readonly policy: Readonly<Partial<Record<Effect, "allow" | "refuse">>>;
  readonly budget: BudgetConfig;
  /** Undefined: health answers on its Unix socket only. */
  readonly health: { readonly host: string; readonly port: number } | undefined;
  readonly log: { readonly level: LogLevel };
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface ModelConfig {
  /** A provider kind's name. */
  readonly provider: string;
  /** What that kind's own schema made of it; its secrets are resolved. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly price: Price | undefined;
}

/** US dollars for a million tokens. */
export interface Price {
  readonly inputUsd: number;
  readonly cachedInputUsd: number;
  readonly outputUsd: number;
}

export interface ChannelConfig {
  /** The key in `channels`; the type for the short form `channel`. */
  readonly name: string;
  /** A channel kind's name. */
  readonly kind: string;
  /** What that kind's own schema made of it; its secrets are resolved. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly access: AccessConfig;
}

export interface AccessConfig {
  /** Ids of the platform. Empty admits nobody but the owner and those who were paired. */
  readonly allowedUsers: "everyone" | readonly string[];
  /** Undefined: every room. Otherwise room and sender must both pass, unless all members of the room are admitted. */
  readonly allowedChats: readonly AllowedChat[] | undefined;
  readonly pairing: boolean;
  readonly groupTrigger: string | undefined;
}

export interface AllowedChat {
  readonly id: string;
  readonly members: "admitted" | "all";
}

export interface Owner {
  readonly channel: string;
  readonly id: string;
}

export interface AgentConfig {
  readonly name: string;
  readonly maxSteps: number;
  readonly maxTurnMs: number;
  readonly maxTurnTokens: number | undefined;
  readonly parallelTurns: number;
}

export interface FetchUrlConfig {
  readonly enabled: boolean;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

export interface SandboxConfig {
  readonly confine: "auto" | "landlock" | "bubblewrap" | "none";
  readonly idleMs: number;
  readonly commandTimeoutMs: number;
  readonly commandMemoryBytes: number;
  readonly commandDiskBytes: number;
}

export interface Spending {
  readonly usd: number | undefined;
  readonly tokens: number | undefined;
}

/** Both are for a day: all conversations together, and each one alone. */
export interface BudgetConfig {
  readonly perDay: Spending;
  readonly perChatPerDay: Spending;
}
