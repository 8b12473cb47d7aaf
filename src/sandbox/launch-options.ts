import * as z from "zod";
import { sandboxLimits, sharedSpace, spacePattern } from "./settings.ts";

/** What the gateway hands to the launcher as arguments. */
export const launchOptions = z.object({
  workspace: z.string().startsWith("/"),
  space: z
    .string()
    .regex(spacePattern)
    .refine((name) => name !== sharedSpace),
  by: z.enum(["landlock", "bubblewrap", "none"]),
  server: z.string().startsWith("/"),
  limits: sandboxLimits,
  /** Whose end is ours. */
  parent: z.coerce.number(),
  /** A lower Landlock ABI than the kernel's, to see how an older one does. */
  abi: z.coerce.number().default(Number.MAX_SAFE_INTEGER),
  /** Set by ourselves for the second start, inside bubblewrap. */
  inside: z.boolean().default(false),
});

export type LaunchOptions = z.infer<typeof launchOptions>;
