import type { Rig } from "../tests/support/rig.ts";
import { workOf } from "./process-tree.ts";
import { percentile } from "./statistics.ts";

export interface MessageFigures {
  readonly messages: number;
  /** Update at the gateway's door to model called, and the model's last byte to sendMessage, in ms. */
  readonly toModelP50: number;
  readonly toSendP50: number;
  readonly overheadP50: number;
  readonly overheadP95: number;
  readonly cpuMs: number;
  readonly writtenBytes: number;
}

/** Sends messages one after the other (`prefix`: another for each call) and compares the journals of Telegram and the model. */
export async function measureMessages(
  rig: Rig,
  pid: number,
  { prefix, count }: { readonly prefix: string; readonly count: number },
): Promise<MessageFigures> {
  const chat = 1001;
  await rig.telegram.remote.forgetCalls();
  await rig.model.remote.forget();
  const before = workOf(pid);
  const updateIds: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const marker = markerOf(prefix, index);
    const { updateId } = await rig.telegram.remote.inject({ from: chat, text: `echo ${marker}` });
    updateIds.push(updateId);
    const [answer] = await rig.telegram.remote.waitForMessages({
      chat,
      includes: `echo ${marker}`,
      timeoutMs: 15_000,
    });
    if (answer === undefined) throw new Error(`Message ${marker} was not answered within 15 s.`);
  }
  await rig.settled();
  const after = workOf(pid);

  const polls = await rig.telegram.remote.calls("getUpdates");
  const sends = await rig.telegram.remote.calls("sendMessage");
  const calls = await rig.model.remote.calls();
  const toModel: number[] = [];
  const toSend: number[] = [];
  for (const [index, updateId] of updateIds.entries()) {
    const poll = polls.find(({ delivered }) => delivered?.includes(updateId) === true);
    const call = calls.find(({ lastUser }) => lastUser.includes(markerOf(prefix, index)));
    const send = sends.find(({ params }) =>
      String(params["text"]).includes(markerOf(prefix, index)),
    );
    toModel.push((call?.atMs ?? Number.NaN) - (poll?.answeredAtMs ?? Number.NaN));
    toSend.push((send?.atMs ?? Number.NaN) - (call?.doneAtMs ?? Number.NaN));
  }
  const overhead = toModel.map((ms, index) => ms + (toSend[index] ?? Number.NaN));
  return {
    messages: count,
    toModelP50: percentile(toModel, 0.5),
    toSendP50: percentile(toSend, 0.5),
    overheadP50: percentile(overhead, 0.5),
    overheadP95: percentile(overhead, 0.95),
    cpuMs: (after.cpuMs - before.cpuMs) / count,
    writtenBytes: (after.writtenBytes - before.writtenBytes) / count,
  };
}

/** Of one length, so that none is part of another. */
function markerOf(prefix: string, index: number): string {
  return `${prefix}${String(index).padStart(5, "0")}`;
}
