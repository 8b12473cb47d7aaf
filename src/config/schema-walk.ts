import * as z from "zod";
import { Secret } from "../lib/secret.ts";
import type { Segment } from "./path.ts";
import { isRecord } from "./path.ts";

/** What the schema says about one place of a config. */
export interface Place {
  /** Without optional and default around it, and with a union decided by the value where it can be. */
  readonly schema: z.ZodType;
  readonly description: string | undefined;
  readonly defaultValue: unknown;
}

/** Follows a path through the schema. `value` is the whole file, which decides the unions on the way. */
export function placeAt(
  schema: z.ZodType,
  value: unknown,
  path: readonly Segment[],
): Place | undefined {
  let place = lookAt(schema, value);
  let current = value;
  for (const segment of path) {
    current =
      isRecord(current) || Array.isArray(current) ? Reflect.get(current, segment) : undefined;
    const below = stepInto(place.schema, segment);
    if (below === undefined) return undefined;
    place = lookAt(below, current);
  }
  return place;
}

/** The keys that an object may have at a place; none where it may have any, or is no object. */
export function keysOf(schema: z.ZodType): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodUnion) {
    return [...new Set(schema.options.flatMap((option) => keysOf(bare(option as z.ZodType))))];
  }
  return [];
}

/** Whether strings here become a `Secret`. */
export function isSecret(schema: z.ZodType): boolean {
  return schema instanceof z.ZodPipe && schema.safeParse("x").data instanceof Secret;
}

/** Every secret that stands in a value, whether or not the value fits the schema as a whole. */
export function secretsIn(
  schema: z.ZodType,
  value: unknown,
  path: readonly Segment[] = [],
): { readonly path: readonly Segment[]; readonly reference: string }[] {
  const at = lookAt(schema, value).schema;
  if (isSecret(at))
    return typeof value === "string" && value !== "" ? [{ path, reference: value }] : [];
  if (!isRecord(value) && !Array.isArray(value)) return [];
  const entries: [Segment, unknown][] = Array.isArray(value)
    ? value.map((entry, index) => [index, entry])
    : Object.entries(value);
  return entries.flatMap(([segment, entry]) => {
    const below = stepInto(at, segment);
    return below === undefined ? [] : secretsIn(below, entry, [...path, segment]);
  });
}

function lookAt(schema: z.ZodType, value: unknown): Place {
  let current = schema;
  let description = current.description;
  let defaultValue: unknown;
  for (;;) {
    const inner = unwrapped(current);
    if (inner === undefined) break;
    if (current instanceof z.ZodDefault) defaultValue ??= current.def.defaultValue;
    current = inner;
    description ??= current.description;
  }
  if (current instanceof z.ZodUnion) {
    const chosen = decide(current, value);
    if (chosen !== undefined) current = bare(chosen);
    description ??= current.description;
  }
  return { schema: current, description, defaultValue };
}

function bare(schema: z.ZodType): z.ZodType {
  const inner = unwrapped(schema);
  return inner === undefined ? schema : bare(inner);
}

function unwrapped(schema: z.ZodType): z.ZodType | undefined {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly
  ) {
    return schema.def.innerType as z.ZodType;
  }
  return undefined;
}

function decide(union: z.ZodUnion, value: unknown): z.ZodType | undefined {
  const options = union.options as readonly z.ZodType[];
  if (union instanceof z.ZodDiscriminatedUnion) {
    const key = union.def.discriminator;
    if (!isRecord(value)) return undefined;
    return options.find(
      (option) =>
        option instanceof z.ZodObject &&
        fits(option.shape[key] as z.ZodType | undefined, value[key]),
    );
  }
  return (
    options.find((option) => fits(option, value)) ??
    options.find((option) => isOfSameForm(option, value))
  );
}

function fits(schema: z.ZodType | undefined, value: unknown): boolean {
  return schema !== undefined && value !== undefined && schema.safeParse(value).success;
}

function isOfSameForm(option: z.ZodType, value: unknown): boolean {
  if (Array.isArray(value)) return option instanceof z.ZodArray;
  return isRecord(value) && option instanceof z.ZodObject;
}

function stepInto(schema: z.ZodType, segment: Segment): z.ZodType | undefined {
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Readonly<Record<string, z.ZodType>>;
    return Object.hasOwn(shape, segment) ? shape[segment] : undefined;
  }
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType;
  if (schema instanceof z.ZodArray) {
    return typeof segment === "number" ? (schema.element as z.ZodType) : undefined;
  }
  if (schema instanceof z.ZodUnion) {
    // Not decided by a value: any option that knows the key describes it.
    for (const option of schema.options as readonly z.ZodType[]) {
      const below = stepInto(bare(option), segment);
      if (below !== undefined) return below;
    }
  }
  return undefined;
}
