import { setTimeout as sleep } from "node:timers/promises";
import type { ServerResponse } from "node:http";
import { reset, sendJson } from "./http.ts";
import type { Fault } from "./telegram.ts";

/** Returns true when the fault ended the request. */
export async function suffer(
  fault: Fault,
  response: ServerResponse,
  closed: AbortSignal,
): Promise<boolean> {
  switch (fault.kind) {
    case "too many requests": {
      const seconds = fault.retryAfterSeconds ?? 1;
      sendJson(response, 429, {
        ok: false,
        error_code: 429,
        description: `Too Many Requests: retry after ${seconds}`,
        parameters: { retry_after: seconds },
      });
      return true;
    }
    case "server error":
      sendJson(response, 500, { ok: false, error_code: 500, description: "Internal Server Error" });
      return true;
    case "refused":
      sendJson(response, 403, {
        ok: false,
        error_code: 403,
        description: "Forbidden: bot was blocked by the user",
      });
      return true;
    case "reset":
      reset(response);
      return true;
    case "slow":
      await sleep(fault.slowMs ?? 1000, undefined, { signal: closed }).catch(() => undefined);
      return closed.aborted;
    case "silence":
      await new Promise((resolve) => closed.addEventListener("abort", resolve, { once: true }));
      return true;
    default:
      return false;
  }
}
