import { channelKinds } from "../channels/index.ts";
import { providerKinds } from "../providers/index.ts";

/** What the config schema, `doctor` and the wizard fold over. */
export const kinds = { channelKinds, providerKinds };
