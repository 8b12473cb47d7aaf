import type { Effect } from "../contracts/tool.ts";

/** What the operator's config says of each effect. */
export type PolicyRules = Readonly<Partial<Record<Effect, "allow" | "refuse">>>;

export type Decision =
  | { readonly allow: true }
  | { readonly allow: false; readonly reason: string };

/** What holds where the config says nothing. Sending elsewhere and installing need the operator's word. */
export const defaultPolicy: PolicyRules = {
  reads: "allow",
  writes: "allow",
  runs: "allow",
  fetches: "allow",
  remembers: "allow",
  schedules: "allow",
};

/** Decides on what a tool can do to the world, never on its name; an effect that nobody named is refused. */
export function decide(effect: Effect, rules: PolicyRules): Decision {
  const rule = rules[effect];
  if (rule === "allow") return { allow: true };
  return {
    allow: false,
    reason: `The operator's policy refuses tools that act on the world in this way (${effect}). Tell the user so; do not try another way.`,
  };
}
