import { setTimeout as sleep } from "node:timers/promises";
import type { ServerResponse } from "node:http";
import { createGates } from "./gates.ts";
import {
  closedSignal,
  createPlainServer,
  listenOnLoopback,
  readBody,
  reset,
  sendJson,
} from "./http.ts";
import { plan } from "./model-script.ts";
import type { Plan } from "./model-script.ts";
import { anthropicWire, openaiWire } from "./model-wires.ts";
import type { Asked, Wire } from "./model-wires.ts";
import type { ModelCall, ModelControl, ModelEvent, ModelFault, ModelPoint } from "./model.ts";
import { serveParent, sharedNowMs } from "./remote.ts";

/** The scripted model, started by `model.ts`: request -> journal -> script -> one of the two wires. */

const maxCalls = 20_000;
const maxBodies = 50;

const emit = serveParent(control()) as (event: ModelEvent) => void;
const gates = createGates<ModelPoint>(emit);
let calls: ModelCall[] = [];
const bodies = new Map<number, string>();
let faults: (ModelFault & { left: number })[] = [];
let seq = 0;

const server = createPlainServer(async (request, response) => {
  const path = (request.url ?? "").split("?")[0] ?? "";
  if (request.method === "GET" && path.endsWith("/models")) {
    return sendJson(response, 200, {
      object: "list",
      data: [
        { id: "scripted", object: "model", type: "model", display_name: "Scripted", created: 0 },
      ],
      has_more: false,
    });
  }
  const wire = path.endsWith("/chat/completions")
    ? openaiWire
    : path.endsWith("/messages")
      ? anthropicWire
      : undefined;
  if (wire === undefined || request.method !== "POST") {
    return sendJson(response, 404, {
      error: { message: `There is no ${path}.`, type: "not_found" },
    });
  }
  const body = await readBody(request);
  await answer(wire, body, response);
});

async function answer(wire: Wire, body: Buffer, response: ServerResponse): Promise<void> {
  const atMs = sharedNowMs();
  const request = JSON.parse(body.toString()) as unknown;
  const asked = wire.read(request);
  const complaint = wire.complaint(request);
  const scripted =
    complaint === undefined
      ? (takeFault(asked.lastUser) ?? plan(asked.lastUser, asked.results))
      : ({ type: "error", status: 400 } as const);
  const call = record(wire, asked, body, atMs, scripted, complaint);
  if ((await gates.pass("request received", asked.lastUser)) === "drop") return reset(response);
  const closed = closedSignal(response);
  const id = `c${call.seq}`;
  switch (scripted.type) {
    case "error": {
      const retryAfter = "retryAfter" in scripted ? String(scripted.retryAfter) : undefined;
      const headers: Record<string, string> =
        retryAfter === undefined ? {} : { "retry-after": retryAfter };
      return sendJson(
        response,
        scripted.status,
        wire.error(scripted.status, complaint ?? `Scripted failure ${scripted.status}`),
        headers,
      );
    }
    case "silence":
      openStream(response);
      response.flushHeaders();
      return await new Promise((resolve) => {
        closed.addEventListener("abort", () => resolve(), { once: true });
      });
    case "calls":
      openStream(response);
      response.write(wire.open(asked, id));
      if ((await gates.pass("mid-stream", asked.lastUser)) === "drop") return reset(response);
      return await finish(response, wire.calls(scripted.calls, asked, id), call);
    case "text":
      return await stream(wire, asked, scripted, response, closed, call);
    default:
      throw new Error("The script has no such answer.");
  }
}

async function stream(
  wire: Wire,
  asked: Asked,
  { chunks, pauseMs, firstMs }: Extract<Plan, { type: "text" }>,
  response: ServerResponse,
  closed: AbortSignal,
  call: ModelCall,
): Promise<void> {
  const id = `c${call.seq}`;
  const pause = async (ms: number): Promise<void> => {
    if (ms > 0) await sleep(ms, undefined, { signal: closed }).catch(() => undefined);
  };
  openStream(response);
  await pause(firstMs);
  response.write(wire.open(asked, id));
  const middle = Math.floor(chunks.length / 2);
  for (const [index, chunk] of chunks.entries()) {
    if (closed.aborted) return;
    if (index === middle && (await gates.pass("mid-stream", asked.lastUser)) === "drop")
      return reset(response);
    const delta = wire.delta(chunk, asked, id);
    response.write(index === 0 ? delta : delta.replace(blockStart, ""));
    await pause(pauseMs);
  }
  await finish(response, wire.finish(asked, id), call);
}

/** Anthropic's text block is opened once. */
const blockStart = /^event: content_block_start\n.*\n\n/;

async function finish(response: ServerResponse, text: string, call: ModelCall): Promise<void> {
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.end(text, () => resolve());
  });
  call.doneAtMs = sharedNowMs();
  emit({ type: "done", seq: call.seq, lastUser: call.lastUser });
  await gates.pass("last byte", call.lastUser);
}

function openStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
}

function record(
  wire: Wire,
  asked: Asked,
  body: Buffer,
  atMs: number,
  scripted: Plan,
  complaint?: string,
): ModelCall {
  seq += 1;
  const { includeUsage: _, ...rest } = asked;
  const same = calls.at(-1);
  const call: ModelCall = {
    ...rest,
    // Equal texts are kept once: thousands of requests share them.
    system: same?.system === asked.system ? same.system : asked.system,
    tools: same?.tools === asked.tools ? same.tools : asked.tools,
    seq,
    wire: wire === openaiWire ? "openai" : "anthropic",
    atMs,
    bytes: body.length,
    answer: scripted.type,
    complaint,
  };
  calls.push(call);
  if (calls.length > maxCalls) calls.shift();
  bodies.set(seq, body.toString());
  bodies.delete(seq - maxBodies);
  emit({ type: "called", seq, lastUser: asked.lastUser });
  return call;
}

function takeFault(lastUser: string): (Plan & { readonly retryAfter?: number }) | undefined {
  const fault = faults.find(
    ({ left, match }) => left > 0 && (match === undefined || lastUser.includes(match)),
  );
  if (fault === undefined) return undefined;
  fault.left -= 1;
  const { status, retryAfterSeconds } = fault;
  return retryAfterSeconds === undefined
    ? { type: "error", status }
    : { type: "error", status, retryAfter: retryAfterSeconds };
}

function control(): ModelControl {
  return {
    listen: async (port) => await listenOnLoopback(server, port),
    arm: (rule) => gates.arm(rule),
    release: (id, verdict) => gates.release(id, verdict),
    releaseAll: (verdict) => gates.releaseAll(verdict),
    fault: (fault) => void faults.push({ ...fault, left: fault.times ?? 1 }),
    clearFaults: () => void (faults = []),
    calls: (last) => (last === undefined ? calls : calls.slice(-last)),
    countCalls: () => seq,
    body: (wanted) => bodies.get(wanted),
    forget() {
      calls = [];
      bodies.clear();
    },
  };
}
