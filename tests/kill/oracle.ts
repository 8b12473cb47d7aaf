import type { BotMessage, Call } from "../support/counterparts/telegram.ts";
import type { StateSnapshot } from "../support/state-reader.ts";

export type Kind = "echo" | "stream" | "long" | "tool" | "both" | "hang";

/** A message that a person sent. Markers are of one length, so that none is part of another. */
export interface Asked {
  readonly marker: string;
  readonly kind: Kind;
  readonly chat: number;
  /** Telegram's id of the message. */
  readonly id: number;
}

/**
 * Times on the clock that all processes share. What a killed process had handed to the kernel may reach Telegram a
 * moment after the kill, but before the next start.
 */
export interface Kill {
  readonly atMs: number;
  readonly restartedMs: number;
}

/** All that was seen from outside, once everything had come to rest. */
export interface Evidence {
  /** In the order of sending. */
  readonly asked: readonly Asked[];
  /** Every message of the bot, in the order in which Telegram recorded it. */
  readonly delivered: readonly BotMessage[];
  /** Every sendMessage that reached Telegram, recorded or not. */
  readonly attempts: readonly Call[];
  readonly kills: readonly Kill[];
  /** The lines that tools appended to their witness file. */
  readonly effects: readonly string[];
  readonly state: StateSnapshot;
  readonly leftInQueue: number;
  /** Why the model's service would have refused a request. */
  readonly complaints: readonly string[];
}

export interface Judgement {
  /** Sentences; empty when all promises were kept. */
  readonly problems: readonly string[];
  /** Messages that came again, labelled, because of a kill between send and receipt. */
  readonly labelledRepeats: number;
  /** Labelled messages of which only one copy arrived: the first was dropped on its way. */
  readonly labelledOnce: number;
  /** Labelled messages of which no earlier try reached Telegram: killed between the record and the call. */
  readonly labelledUntried: number;
  readonly explainedFailures: number;
  readonly interruptedTools: number;
}

/** The line that opens a reply whose fate was unknown: it says that it may be a repetition. */
const label =
  /^[^\n]*\b(?:repeat|repeated|repeats|repetition|twice|already|second time)\b[^\n]*\n/i;
/** Telegram's receipt had been there this long before the kill: time enough to have recorded it. */
const receiptGraceMs = 2000;
const longParts = 9;

/** Compares what happened with what was promised. */
export function judge(evidence: Evidence): Judgement {
  const problems: string[] = [];
  const repeats = new Set<BotMessage>();
  const singles = new Set<BotMessage>();
  const untried = new Set<BotMessage>();
  let interruptedTools = 0;
  const explained = new Set(
    evidence.state.inbox
      .filter((row) => row.state === "failed")
      .map((row) => `${row.chat}/${row.message_id}`),
  );
  const firstSeen = new Map<string, number>();
  const accounted = new Set<BotMessage>();

  for (const asked of evidence.asked) {
    for (const unit of unitsOf(asked)) {
      const copies = evidence.delivered.filter(
        (message) => message.chat === asked.chat && !message.deleted && unit.test(message.text),
      );
      for (const copy of copies) accounted.add(copy);
      const [first] = copies;
      if (first === undefined) {
        if (!explained.has(`${asked.chat}/${asked.id}`))
          problems.push(`${name(asked)} was never answered (${unit.source}).`);
        continue;
      }
      if (!firstSeen.has(asked.marker)) firstSeen.set(asked.marker, first.seq);
      if (copies.slice(1).some(({ text }) => !label.test(text))) {
        problems.push(
          `${name(asked)} was answered ${copies.length} times, and a repetition bears no label.`,
        );
      }
      const labelled = copies.filter(({ text }) => label.test(text));
      for (const copy of labelled) {
        if (triesBefore(copy, unit, evidence).length === 0) untried.add(copy);
        else (copies.length > 1 ? repeats : singles).add(copy);
        if (!isExcused(copy, unit, evidence)) {
          problems.push(
            `${name(asked)} bears the label, although no kill left its fate unknown: ${story(copy, unit, evidence)}.`,
          );
        }
      }
      if (/^[^]*\binterrupted /.test(first.text)) interruptedTools += 1;
      problems.push(...judgeEffects(asked, copies, evidence.effects));
    }
  }
  problems.push(
    ...judgeStrays(evidence, accounted),
    ...judgeUntried(evidence, untried.size),
    ...judgeOrder(evidence.asked, firstSeen),
    ...judgeEffectLines(evidence.effects),
    ...judgeState(evidence),
    ...judgeHistory(evidence.state),
    ...evidence.complaints.map((why) => `The model would have refused a request: ${why}`),
  );
  return {
    problems,
    labelledRepeats: repeats.size,
    labelledOnce: singles.size,
    labelledUntried: untried.size,
    explainedFailures: explained.size,
    interruptedTools,
  };
}

/** What a person should find in the chat, once each. */
function unitsOf({ marker, kind }: Asked): readonly RegExp[] {
  if (kind === "long") {
    return Array.from(
      { length: longParts },
      (_, index) => new RegExp(`\\b${marker}\\.${index + 1}\\b`),
    );
  }
  const words = kind === "echo" || kind === "stream" ? kind : "(?:done|interrupted|failed)";
  return [new RegExp(`\\b${words} ${marker}\\b`)];
}

function judgeEffects(
  asked: Asked,
  copies: readonly BotMessage[],
  effects: readonly string[],
): string[] {
  const lines =
    asked.kind === "both"
      ? [`${asked.marker}.a`, `${asked.marker}.b`]
      : asked.kind === "tool" || asked.kind === "hang"
        ? [asked.marker]
        : [];
  const claimsDone = copies.some(({ text }) => text.includes(`done ${asked.marker}`));
  const problems = copies
    .filter(({ text }) => text.includes(`failed ${asked.marker}`))
    .map(({ text }) => `${name(asked)}: the tool failed: ${text.slice(0, 200)}`);
  if (!claimsDone) return problems;
  return [
    ...problems,
    ...lines
      .filter((line) => !effects.includes(line))
      .map((line) => `${name(asked)} was reported as done, but ${line} has no effect.`),
  ];
}

/** A label is right when a kill came after the last try before it, and that try's receipt was not long there. */
function isExcused(copy: BotMessage, unit: RegExp, evidence: Evidence): boolean {
  const before = triesBefore(copy, unit, evidence);
  const receipt = before.findLast((call) => call.answeredAtMs !== undefined)?.answeredAtMs;
  const since = before.at(-1)?.atMs ?? 0;
  return evidence.kills.some(
    ({ atMs, restartedMs }) =>
      restartedMs > since &&
      restartedMs < copy.atMs &&
      (receipt === undefined || atMs < receipt + receiptGraceMs),
  );
}

/** Every try to send it before the one that brought this copy. */
function triesBefore(copy: BotMessage, unit: RegExp, { attempts }: Evidence): readonly Call[] {
  const tries = attempts.filter(
    (call) =>
      call.atMs <= copy.atMs &&
      String(call.params["chat_id"]) === String(copy.chat) &&
      typeof call.params["text"] === "string" &&
      unit.test(call.params["text"]),
  );
  return tries.slice(0, -1);
}

/** What happened to a reply and when, for whoever has to find out why. */
function story(copy: BotMessage, unit: RegExp, evidence: Evidence): string {
  const at = (ms: number): string => `${Math.round(ms - copy.atMs)} ms`;
  const tries = triesBefore(copy, unit, evidence).map(
    (call) =>
      `tried at ${at(call.atMs)} (${call.outcome}${call.answeredAtMs === undefined ? "" : ` at ${at(call.answeredAtMs)}`})`,
  );
  const kills = evidence.kills
    .filter(({ atMs }) => atMs < copy.atMs)
    .slice(-3)
    .map(({ atMs, restartedMs }) => `killed at ${at(atMs)}, started again at ${at(restartedMs)}`);
  return [...tries, ...kills].join(", ");
}

/** Messages that answer nobody: allowed only as the explanation of a failure, one for each in its chat. */
function judgeStrays({ delivered, state }: Evidence, accounted: ReadonlySet<BotMessage>): string[] {
  const strays = delivered.filter(
    (message) => !accounted.has(message) && !message.deleted && !label.test(message.text),
  );
  const failed = state.inbox.filter((row) => row.state === "failed");
  const chats = new Set([...strays, ...failed].map(({ chat }) => String(chat)));
  return [...chats].flatMap((chat) => {
    const here = strays.filter((message) => String(message.chat) === chat);
    const failures = failed.filter((row) => row.chat === chat).length;
    if (here.length === failures) return [];
    const texts = here.slice(0, 5).map(({ text }) => JSON.stringify(text.slice(0, 160)));
    return [
      `In chat ${chat}, ${failures} messages failed, and ${here.length} messages of the bot answer nothing: ${texts.join(", ")}.`,
    ];
  });
}

/** The moment between the record and the call is short: a label without any try before it must be rare. */
function judgeUntried({ kills }: Evidence, untried: number): string[] {
  if (untried <= 1 + kills.length / 20) return [];
  return [`${untried} messages bear the label although no earlier try ever reached Telegram.`];
}

function judgeOrder(asked: readonly Asked[], firstSeen: ReadonlyMap<string, number>): string[] {
  const chats = [...new Set(asked.map(({ chat }) => chat))];
  return chats.flatMap((chat) => {
    const seen = asked
      .filter((one) => one.chat === chat)
      .flatMap(({ marker }) => {
        const at = firstSeen.get(marker);
        return at === undefined ? [] : [{ marker, at }];
      });
    return seen.flatMap(({ marker, at }, index) => {
      const before = seen[index - 1];
      if (before === undefined || before.at < at) return [];
      return [
        `In chat ${chat}, ${marker} was answered before ${before.marker}, which was asked first.`,
      ];
    });
  });
}

function judgeEffectLines(effects: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of effects) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > 1)
    .map(([line, count]) => `The tool with the effect ${line} ran ${count} times.`);
}

function judgeState({ asked, state, leftInQueue }: Evidence): string[] {
  const problems: string[] = [];
  if (state.integrity !== "ok") problems.push(`The database is damaged: ${state.integrity}`);
  if (leftInQueue > 0) problems.push(`${leftInQueue} updates were never confirmed to Telegram.`);
  for (const one of asked) {
    const rows = state.inbox.filter(
      (row) => row.chat === String(one.chat) && row.message_id === String(one.id),
    );
    const states = rows.map((row) => row.state);
    if (states.length !== 1 || !["answered", "failed"].includes(states[0] ?? "")) {
      problems.push(`${name(one)} stands in the inbox as [${states.join(", ")}].`);
    }
  }
  const unsent = state.outbox.filter((row) => row.state !== "sent");
  for (const row of unsent)
    problems.push(`The reply ${row.seq} stands in the outbox as ${row.state}.`);
  return problems;
}

interface TurnBody {
  readonly role: string;
  readonly calls?: readonly { readonly id: string }[];
  readonly callId?: string;
}

/**
 * Every message once, its turn in one piece, and each tool call followed by its result. Only the turn of a message
 * that was given up may end in a call: its owner may retry it, and it goes on there.
 */
function judgeHistory({ history, inbox }: StateSnapshot): string[] {
  const problems: string[] = [];
  const givenUp = new Set(inbox.filter(({ state }) => state === "failed").map(({ seq }) => seq));
  const addresses = [...new Set(history.map(({ address }) => address))];
  for (const address of addresses) {
    const rows = history.filter(
      (row) => row.address === address && row.role !== "summary" && row.role !== "anew",
    );
    const ended = new Set<number>();
    let current = -1;
    let open: string[] = [];
    for (const row of rows) {
      const turn = JSON.parse(row.body) as TurnBody;
      if (row.inbox_seq !== current) {
        if (ended.has(row.inbox_seq))
          problems.push(`History row ${row.seq} of ${address} is out of its turn.`);
        if (open.length > 0 && !givenUp.has(current))
          problems.push(`History of ${address}: calls without result before row ${row.seq}.`);
        ended.add(current);
        current = row.inbox_seq;
        open = [];
        if (row.role !== "user")
          problems.push(`The turn at history row ${row.seq} does not begin with its message.`);
      } else if (row.role === "user") {
        problems.push(`The message of history row ${row.seq} stands twice in the history.`);
      }
      if (row.role === "tool") {
        if (!open.includes(turn.callId ?? ""))
          problems.push(`History row ${row.seq} is the result of no call.`);
        open = open.filter((id) => id !== turn.callId);
      } else {
        if (open.length > 0)
          problems.push(`History row ${row.seq} comes before the results of ${open.join(", ")}.`);
        open = (turn.calls ?? []).map(({ id }) => id);
      }
    }
    if (open.length > 0 && !givenUp.has(current))
      problems.push(`The history of ${address} ends with an unanswered call.`);
  }
  return problems;
}

function name({ kind, marker, chat }: Asked): string {
  return `"${kind} ${marker}" (chat ${chat})`;
}
