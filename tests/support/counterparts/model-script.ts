import type { ToolOutcome } from "./model.ts";

export interface ScriptedCall {
  readonly name: string;
  /** The raw JSON text of the input; deliberately broken in one script. */
  readonly input: string;
}

/** What the model says to one request. */
export type Plan =
  | {
      readonly type: "text";
      readonly chunks: readonly string[];
      readonly pauseMs: number;
      readonly firstMs: number;
    }
  | { readonly type: "calls"; readonly calls: readonly ScriptedCall[] }
  | { readonly type: "error"; readonly status: number }
  | { readonly type: "silence" };

/** Where the tools of the script leave their witness, in the space of the conversation. */
const effectsFile = "effects.log";

interface Scene {
  readonly word: string;
  readonly rest: string;
  readonly results: readonly ToolOutcome[];
}

/**
 * The script: what stands last in the user's message decides, and nothing else, so that every run is the same.
 *
 *   echo X      answers "echo X"                       long X     9,000 characters, marked "X.1" ... "X.9"
 *   tool X      appends X to effects.log, by command   slow X     the first byte after 1 s
 *   hang X      the same, then waits for a file go-X   stream X   40 pieces, 10 ms apart
 *   edit X      puts X into effects.log, by edit_file  silence X  nothing, for ever
 *   write X     writes X.txt                           fail X     status 500, always
 *   call T {}   calls tool T with that input           broken X   a tool call whose input is cut off
 *   both X      two tool calls at once                 endless X  tool calls without end
 */
export function plan(lastUser: string, results: readonly ToolOutcome[]): Plan {
  const found = [...lastUser.matchAll(/\b([a-z]+) (\S+(?: [{][^\n]*)?)/g)].findLast(
    (match) => (match[1] ?? "") in script,
  );
  const word = found?.[1] ?? "";
  const act = script[word];
  if (act === undefined) return say(`heard: ${lastUser.slice(0, 200)}`);
  return act({ word, rest: found?.[2] ?? "", results });
}

const script: Readonly<Record<string, (scene: Scene) => Plan>> = {
  echo: ({ rest }) => say(`echo ${rest}`),
  stream: ({ rest }) => say(`stream ${rest}${" and on".repeat(39)}`, { pieces: 40, pauseMs: 10 }),
  slow: ({ rest }) => say(`slow ${rest}`, { firstMs: 1000 }),
  long: ({ rest }) =>
    say(
      Array.from(
        { length: 9 },
        (_, index) => `${rest}.${index + 1} ${"lorem ipsum ".repeat(80)}`,
      ).join("\n\n"),
    ),
  tool: (scene) => once(scene, [command(`printf '%s\\n' ${scene.rest} >> ${effectsFile}`)]),
  hang: (scene) =>
    once(scene, [
      command(
        `printf '%s\\n' ${scene.rest} >> ${effectsFile}; n=0; while [ ! -e go-${scene.rest} ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done`,
      ),
    ]),
  edit: (scene) =>
    once(scene, [
      call("edit_file", { path: effectsFile, old_text: "end", new_text: `${scene.rest}\nend` }),
    ]),
  write: (scene) =>
    once(scene, [call("write_file", { path: `${scene.rest}.txt`, content: scene.rest })]),
  both: (scene) =>
    once(scene, [
      command(`printf '%s\\n' ${scene.rest}.a >> ${effectsFile}`),
      command(`printf '%s\\n' ${scene.rest}.b >> ${effectsFile}`),
    ]),
  call: (scene) => {
    const [name = "", ...input] = scene.rest.split(" ");
    return once(scene, [{ name, input: input.join(" ") || "{}" }]);
  },
  broken: (scene) =>
    once(scene, [{ name: "run_command", input: `{"command": "printf ${scene.rest}` }]),
  endless: ({ rest, results }) => ({
    type: "calls",
    calls: [call("list_files", { path: "." }), ...(results.length < 0 ? [command(rest)] : [])],
  }),
  fail: () => ({ type: "error", status: 500 }),
  silence: () => ({ type: "silence" }),
};

/** Calls the tools, and once they have answered, says how it went: the first word tells. */
function once({ rest, results }: Scene, calls: readonly ScriptedCall[]): Plan {
  if (results.length === 0) return { type: "calls", calls };
  const text = results.map((result) => result.text).join("\n");
  if (/interrupted/i.test(text)) return say(`interrupted ${rest}`);
  if (results.some((result) => result.failed)) return say(`failed ${rest}: ${text.slice(0, 400)}`);
  return say(`done ${rest}: ${text.slice(0, 400)}`);
}

function command(line: string): ScriptedCall {
  return call("run_command", { command: line });
}

function call(name: string, input: Readonly<Record<string, unknown>>): ScriptedCall {
  return { name, input: JSON.stringify(input) };
}

function say(text: string, { pieces = 3, pauseMs = 0, firstMs = 0 } = {}): Plan {
  const size = Math.max(1, Math.ceil(text.length / pieces));
  const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
  return { type: "text", chunks, pauseMs, firstMs };
}
