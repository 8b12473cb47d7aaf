import type { Agent as HttpAgent } from "node:http";
import type { RawApi } from "grammy";
import { ChannelError } from "../../contracts/errors.ts";
import { telegramFailure } from "./failure.ts";

/** How long any call but a poll may take. */
export const callMs = 30_000;
/** Bounds what one answer of the server may fill: 100 updates take well under this. */
const maxAnswerBytes = 16 * 1024 * 1024;

/** grammY's types want the AbortSignal of its polyfill; at run time it takes any. */
export type GrammySignal = NonNullable<Parameters<RawApi["getMe"]>[0]>;

export interface Connection {
  readonly api: RawApi;
  readonly InputFile: typeof import("grammy").InputFile;
  /** Runs one call with its time limit. Throws nothing but `ChannelError`s; `doing` is for their sentence. */
  readonly call: <T>(
    signal: AbortSignal,
    doing: string,
    run: (signal: GrammySignal) => Promise<T>,
    limitMs?: number,
  ) => Promise<T>;
  /** The bare HTTP status of a method without parameters, which grammY does not tell; undefined without an answer. */
  statusOf(method: string, signal: AbortSignal): Promise<number | undefined>;
}

/** Opens nothing yet: connections are made with the first call. The one place that imports grammY. */
export async function openConnection(token: string, apiRoot: string): Promise<Connection> {
  // In a bundle grammY, a CommonJS package, has only its default export.
  const { Api, InputFile } = (await import("grammy")).default;
  const { raw: api } = new Api(token, {
    apiRoot,
    baseFetchConfig: {
      // Node's own agents know the egress proxy; grammY's do not.
      agent: globalAgentFor(apiRoot),
      compress: true,
      // A redirect would carry the token in the URL to somebody else.
      redirect: "error",
      size: maxAnswerBytes,
    },
  });
  return {
    api,
    InputFile,
    async statusOf(method, signal) {
      const ended = AbortSignal.any([signal, AbortSignal.timeout(callMs)]);
      const url = `${apiRoot}/bot${token}/${method}`;
      try {
        const response = await fetch(url, { signal: ended, redirect: "error" });
        await response.body?.cancel();
        return response.status;
      } catch {
        return undefined; // no answer: the failure that was asked about stands
      }
    },
    async call(signal, doing, run, limitMs = callMs) {
      if (signal.aborted) {
        throw new ChannelError(`Stopped before Telegram was asked to ${doing}.`, {
          kind: "timed-out",
          fate: "not-sent",
        });
      }
      try {
        const ended = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
        return await run(ended as unknown as GrammySignal);
      } catch (error) {
        throw telegramFailure(error, doing, token);
      }
    },
  };
}

/** Not by `import`: that reads every export of node:http, and its WebSocket loads undici, 25 ms and some MB. */
function globalAgentFor(apiRoot: string): HttpAgent {
  const name = apiRoot.startsWith("https:") ? "node:https" : "node:http";
  return process.getBuiltinModule(name).globalAgent;
}
