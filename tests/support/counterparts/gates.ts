/** What happens when a request comes to a named point: it is told, held until released, or dropped at once. */
export interface GateRule<Point extends string> {
  readonly point: Point;
  /** Only requests whose text contains this. Without it: all. */
  readonly match?: string | undefined;
  readonly action: "tell" | "hold" | "drop";
  /** How many fitting requests it lets pass before; default 0. */
  readonly skip?: number | undefined;
  /** How many requests it acts upon; default 1. */
  readonly times?: number | undefined;
}

export interface Reached<Point extends string> {
  readonly type: "reached";
  readonly rule: number;
  readonly point: Point;
  readonly text: string;
}

export type Verdict = "go" | "drop";

interface Armed<Point extends string> extends GateRule<Point> {
  readonly id: number;
  left: number;
  toSkip: number;
}

/** Named points where requests can be stopped from outside. A hold lapses after `maxHoldMs`, as a drop. */
export function createGates<Point extends string>(tell: (reached: Reached<Point>) => void) {
  let armed: Armed<Point>[] = [];
  const held = new Map<number, ((verdict: Verdict) => void)[]>();
  let ids = 0;

  return {
    arm(rule: GateRule<Point>): number {
      ids += 1;
      armed.push({ ...rule, id: ids, left: rule.times ?? 1, toSkip: rule.skip ?? 0 });
      return ids;
    },
    /** Lets go what the rule holds, and takes the rule away. */
    release(id: number, verdict: Verdict): void {
      armed = armed.filter((rule) => rule.id !== id);
      for (const settle of held.get(id) ?? []) settle(verdict);
      held.delete(id);
    },
    releaseAll(verdict: Verdict): void {
      armed = [];
      for (const settles of held.values()) for (const settle of settles) settle(verdict);
      held.clear();
    },
    async pass(point: Point, text: string): Promise<Verdict> {
      const rule = armed.find(
        (one) =>
          one.point === point &&
          one.left > 0 &&
          (one.match === undefined || text.includes(one.match)),
      );
      if (rule === undefined) return "go";
      if (rule.toSkip > 0) {
        rule.toSkip -= 1;
        return "go";
      }
      rule.left -= 1;
      const reached = { type: "reached", rule: rule.id, point, text } as const;
      if (rule.action !== "hold") {
        tell(reached);
        return rule.action === "drop" ? "drop" : "go";
      }
      return await new Promise((resolve) => {
        const timer = setTimeout(() => resolve("drop"), maxHoldMs);
        const settle = (verdict: Verdict): void => {
          clearTimeout(timer);
          resolve(verdict);
        };
        held.set(rule.id, [...(held.get(rule.id) ?? []), settle]);
        tell(reached);
      });
    },
  };
}

const maxHoldMs = 60_000;
