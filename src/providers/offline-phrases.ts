/** One plain request that the offline model understands. A new tool is one entry more. */
export interface Phrase {
  /** The tool that does it. */
  readonly tool: string;
  /** Shown by "help". */
  readonly example: string;
  /** Tried in order; named groups are handed to `input`. */
  readonly patterns: readonly RegExp[];
  input(said: Readonly<Record<string, string | undefined>>): Readonly<Record<string, unknown>>;
}

/** The first phrase that fits wins, so the more special ones stand first. */
export const phrases: readonly Phrase[] = [
  {
    tool: "list_files",
    example: "list my files",
    patterns: [
      /^(?:list|show)(?: me)?(?: all)?(?: (?:of )?(?:my|the|your))? (?:files|folder|directory|workspace)(?: (?:in|of|under) (?<path>\S+))?$/i,
      /^(?:what|which) files (?:are there|do (?:i|you|we) have|are in (?<path>\S+))$/i,
      /^ls(?: (?<path>\S+))?$/i,
    ],
    input: ({ path }) => (path === undefined || isHere(path) ? {} : { path: unquoted(path) }),
  },
  {
    tool: "fetch_url",
    example: "fetch https://example.com",
    patterns: [
      /^(?:fetch|get|open|visit|browse|read|show(?: me)?)(?: (?:the )?(?:page|site|url|website))? (?<url>https?:\/\/\S+)$/i,
    ],
    input: ({ url }) => ({ url }),
  },
  {
    tool: "write_file",
    example: 'write "hello" to notes.txt',
    // The name must look like a file's, or be called one: "make tea with milk" is no request of this kind.
    patterns: [
      /^(?:write|put|save|store)(?: the (?:text|words))? (?<content>.+?) (?:to|into|in|as)(?: (?:the |a )?(?:new )?file)? (?<path>\S*[./]\S*)$/is,
      /^(?:write|put|save|store)(?: the (?:text|words))? (?<content>.+?) (?:to|into|in|as) (?:the |a )?(?:new )?file (?<path>\S+)$/is,
      /^(?:create|make|write)(?: (?:the |a )?(?:new )?file)?(?: (?:called|named))? (?<path>\S*[./]\S*) (?:with|containing|saying)(?: the)?(?: (?:text|words|content))? (?<content>.+)$/is,
      /^(?:create|make|write) (?:the |a )?(?:new )?file(?: (?:called|named))? (?<path>\S+) (?:with|containing|saying)(?: the)?(?: (?:text|words|content))? (?<content>.+)$/is,
    ],
    input: ({ path = "", content = "" }) => ({ path: unquoted(path), content: unquoted(content) }),
  },
  {
    tool: "run_command",
    example: "run ls -la",
    patterns: [
      /^(?:please )?(?:run|execute)(?: the)?(?: (?:command|program|shell command))?:? (?<command>.+)$/is,
      /^\$ ?(?<command>.+)$/s,
    ],
    input: ({ command = "" }) => ({ command: unquoted(command) }),
  },
  {
    tool: "search_files",
    example: "find invoices",
    patterns: [
      /^(?:search for|look for|find|search|grep)(?: (?:the )?(?:word|words|text))? (?<pattern>.+?)(?: in (?:my|the|all|your)(?: \w+)? ?(?:files|workspace|folder))?$/is,
    ],
    input: ({ pattern = "" }) => ({ pattern: unquoted(pattern) }),
  },
  {
    tool: "read_file",
    example: "read welcome.md",
    patterns: [
      /^(?:read|cat)(?: me)?(?: (?:my|the))?(?: file)? (?<path>\S+)(?: file)?$/i,
      /^(?:show|open|print|display)(?: me)?(?: (?:my|the))?(?: file)? (?<path>\S*[./]\S*)$/i,
      /^what(?:'s| is) in (?:the file |my )?(?<path>\S+)$/i,
    ],
    input: ({ path = "" }) => ({ path: unquoted(path) }),
  },
];

/** The phrase that a request fits, with the tool's input; undefined when none does. */
export function understand(
  request: string,
): { readonly phrase: Phrase; readonly input: Readonly<Record<string, unknown>> } | undefined {
  const words = plain(request);
  for (const phrase of phrases) {
    for (const pattern of phrase.patterns) {
      const found = pattern.exec(words);
      if (found !== null) return { phrase, input: phrase.input({ ...found.groups }) };
    }
  }
  return undefined;
}

/** Without the politeness around it, and without the closing mark unless it belongs to a command or a text. */
function plain(request: string): string {
  const bare = request
    .trim()
    .replace(/^(?:hey|hi|hello|ok|okay|please|now|then)[,!]? +(?=\S)/i, "")
    .replace(/^(?:please|can you|could you|would you|will you)(?: please)? +/i, "");
  return bare.replace(/(?<=[^.?!\s])[?!.]$/, "").replace(/,? please$/i, "");
}

function unquoted(text: string): string {
  const found = /^(["'`“‘])(.*)(["'`”’])$/s.exec(text.trim());
  return found?.[2] ?? text.trim();
}

function isHere(path: string): boolean {
  return /^(?:here|\.|\.\/|(?:the|my|this)|workspace)$/i.test(path);
}
