import { join } from "node:path";
import { openRig } from "../tests/support/rig.ts";
import { measureHello } from "./hello.ts";
import { bareNodeMemory, ownNode } from "./idle.ts";
import { measureUnderLimit } from "./memory-limit.ts";
import { measureMessages } from "./messages.ts";
import { memoryOf, settledMemoryOf } from "./process-tree.ts";
import { formatTable, megabytes, milliseconds } from "./report.ts";
import type { Figure } from "./report.ts";
import { sizeOf } from "./sizes.ts";
import { bareNodeStart, startToFirstPoll } from "./start-up.ts";

/**
 * What the gateway costs, beside bare Node on the same machine in the same run. `npm run bench`; `-- --json` for
 * machines. Exits 1 when a target is missed.
 */
const starts = 10;
const warmUps = 20;
const messages = 100;
const memoryLimitMb = 128;
const limitedMessages = 50;
const targets = { pss: 1.7, anonymousMb: 30, start: 6, overheadMs: 8, helloTokens: 2500 };

const project = join(import.meta.dirname, "..");
const asJson = process.argv.includes("--json");
const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function run(): Promise<void> {
  const rig = await openRig();
  try {
    say("start to first poll ...");
    const bareStartMs = await bareNodeStart(starts);
    const startMs = await startToFirstPoll(rig, starts);
    say("idle memory ...");
    const node = ownNode(rig.folders.root);
    const bare = await bareNodeMemory(node);
    const gateway = await rig.start({ node });
    const idle = await settledMemoryOf(gateway.pid);
    say("messages ...");
    await measureMessages(rig, gateway.pid, { prefix: "warm", count: warmUps });
    const flow = await measureMessages(rig, gateway.pid, { prefix: "bench", count: messages });
    const used = await settledMemoryOf(gateway.pid);
    const usedAlone = memoryOf(gateway.pid, [gateway.pid]);
    const hello = await measureHello(rig);
    await gateway.stop();
    say(`${limitedMessages} messages under ${memoryLimitMb} MB ...`);
    const limited = await measureUnderLimit(rig, memoryLimitMb, limitedMessages);

    const figures: readonly Figure[] = [
      { name: "bare Node: start to end", value: milliseconds(bareStartMs) },
      {
        name: "start to first poll",
        value: `${milliseconds(startMs)} (${(startMs / bareStartMs).toFixed(1)} x bare Node)`,
        target: `within ${targets.start} x bare Node`,
        passed: startMs <= targets.start * bareStartMs,
      },
      {
        name: "bare Node: memory, PSS (anonymous)",
        value: `${megabytes(bare.pssKb)} (${megabytes(bare.anonymousKb)})`,
      },
      {
        name: "idle memory, PSS",
        value: `${megabytes(idle.pssKb)} (${(idle.pssKb / bare.pssKb).toFixed(2)} x bare Node)`,
        target: `at most ${targets.pss} x bare Node`,
        passed: idle.pssKb <= targets.pss * bare.pssKb,
      },
      {
        name: "idle memory, anonymous",
        value: megabytes(idle.anonymousKb),
        target: `at most ${targets.anonymousMb} MB`,
        passed: idle.anonymousKb <= targets.anonymousMb * 1024,
      },
      {
        name: `memory after ${messages} messages, PSS (anonymous)`,
        value: `${megabytes(used.pssKb)} (${megabytes(used.anonymousKb)})`,
      },
      {
        name: "  the gateway's process alone (the sandbox stops when idle)",
        value: `${megabytes(usedAlone.pssKb)} (${megabytes(usedAlone.anonymousKb)})`,
      },
      { name: "update received to model called, p50", value: milliseconds(flow.toModelP50) },
      { name: "model's last byte to sendMessage, p50", value: milliseconds(flow.toSendP50) },
      {
        name: "overhead per message, p50",
        value: milliseconds(flow.overheadP50),
        target: `under ${targets.overheadMs} ms`,
        passed: flow.overheadP50 < targets.overheadMs,
      },
      { name: "overhead per message, p95", value: milliseconds(flow.overheadP95) },
      { name: "CPU per message", value: milliseconds(flow.cpuMs) },
      { name: "bytes written per message", value: `${(flow.writtenBytes / 1024).toFixed(1)} KB` },
      {
        name: `"hello": system prompt and ${hello.tools} tools`,
        value: `${hello.tokens} tokens (${hello.systemTokens} + ${hello.toolTokens})`,
        target: `under ${targets.helloTokens}`,
        passed: hello.tokens < targets.helloTokens,
      },
      { name: '"hello": the whole request', value: `${(hello.bytes / 1024).toFixed(1)} KB` },
      typeof limited === "string"
        ? { name: `under ${memoryLimitMb} MB`, value: `not measured: ${limited}` }
        : {
            name: `answered under ${memoryLimitMb} MB`,
            value: `${limited.answered} of ${limited.asked} (peak ${limited.peakMb.toFixed(0)} MB)`,
            target: "all",
            passed: limited.answered === limited.asked,
          },
      { name: "bundle (dist)", value: megabytes(sizeOf(join(project, "dist")) / 1024) },
      {
        name: "install (node_modules, development tools included)",
        value: megabytes(sizeOf(join(project, "node_modules")) / 1024),
      },
    ];
    const raw = {
      schemaVersion: 1,
      bareStartMs,
      startMs,
      bare,
      idle,
      used,
      usedAlone,
      flow,
      hello,
      limited,
      figures,
    };
    process.stdout.write(
      asJson ? `${JSON.stringify(raw, undefined, 2)}\n` : `${formatTable(figures)}\n`,
    );
    if (figures.some(({ passed }) => passed === false)) process.exitCode = 1;
  } finally {
    await rig.stop();
  }
}

await run();
