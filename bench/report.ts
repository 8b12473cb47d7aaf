/** One figure of the table. */
export interface Figure {
  readonly name: string;
  readonly value: string;
  readonly target?: string;
  /** Undefined: no target, or not measured. */
  readonly passed?: boolean | undefined;
}

/** The table for people. */
export function formatTable(figures: readonly Figure[]): string {
  const width = (pick: (figure: Figure) => string): number =>
    Math.max(...figures.map((figure) => pick(figure).length));
  const nameWidth = width(({ name }) => name);
  const valueWidth = width(({ value }) => value);
  return figures
    .map(({ name, value, target = "", passed }) => {
      const verdict = passed === undefined ? "" : passed ? "PASS" : "FAIL";
      return `${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${verdict.padEnd(4)}  ${target}`.trimEnd();
    })
    .join("\n");
}

export const megabytes = (kb: number): string => `${(kb / 1024).toFixed(1)} MB`;
export const milliseconds = (ms: number): string => `${ms.toFixed(ms < 20 ? 1 : 0)} ms`;
