export type Segment = string | number;

/** ["channels", "work", "allowed_users", 0] as people write it: channels.work.allowed_users[0] */
export function formatPath(path: readonly Segment[]): string {
  return path
    .map((segment, index) => {
      if (typeof segment === "number") return `[${segment}]`;
      return index === 0 ? segment : `.${segment}`;
    })
    .join("");
}

/** The reverse of `formatPath`. Undefined when it is no path. */
export function parsePath(text: string): Segment[] | undefined {
  if (!/^[^.[\]]+(?:\.[^.[\]]+|\[\d+\])*$/.test(text)) return undefined;
  return [...text.matchAll(/[^.[\]]+|\[\d+\]/g)].map(([part]) =>
    part.startsWith("[") ? Number(part.slice(1, -1)) : part,
  );
}

/** The value at a path, looking at own properties only. */
export function valueAt(value: unknown, path: readonly Segment[]): unknown {
  let current = value;
  for (const segment of path) {
    if (Array.isArray(current))
      current = typeof segment === "number" ? current[segment] : undefined;
    else if (isRecord(current) && Object.hasOwn(current, segment)) current = current[segment];
    else return undefined;
  }
  return current;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
