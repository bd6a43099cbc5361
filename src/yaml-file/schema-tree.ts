import { z } from 'zod';

/**
 * A text that settings need not hold themselves. A schema marked with `.meta({ secret: true })` may be given in a file as
 * `{env: NAME}` or `{file: PATH}`; given as plain text, the file must be readable by its owner only. `'if set'` is for
 * what is a secret only at times: plain text is welcome, and a variable that isn't set counts as a key left out. `'if needed'`
 * is for a secret that isn't always needed: such a variable counts as left out there, too.
 */
export type SecretMark = true | 'if set' | 'if needed';

/** The schema and everything it wraps: what is optional, has a default, is transformed, or is one of several. */
function* layersOf(schema: z.ZodType): Generator<z.ZodType> {
  yield schema;
  for (const inner of wrappedBy(schema)) yield* layersOf(inner as z.ZodType);
}

function wrappedBy(schema: z.ZodType): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodUnion) return schema.options;
  if (schema instanceof z.ZodPipe) return [schema.in, schema.out];
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
  ) {
    return [schema.unwrap()];
  }
  return [];
}

const layers = (schemas: readonly z.ZodType[]) => schemas.flatMap((schema) => [...layersOf(schema)]);

/** The schemas that a member of a value may have to satisfy: several where the value is one of several kinds. */
export function membersOf(schemas: readonly z.ZodType[], key: string | number): z.ZodType[] {
  return layers(schemas).flatMap((layer): z.ZodType[] => {
    if (layer instanceof z.ZodArray) return typeof key === 'number' ? [layer.element as z.ZodType] : [];
    if (layer instanceof z.ZodRecord) return [layer.valueType as z.ZodType];
    if (!(layer instanceof z.ZodObject) || !Object.hasOwn(layer.shape, key)) return [];
    return [layer.shape[key] as z.ZodType];
  });
}

export const schemasAt = (schema: z.ZodType, path: readonly (string | number)[]): z.ZodType[] =>
  path.reduce<z.ZodType[]>((schemas, key) => membersOf(schemas, key), [schema]);

/** The keys that a map may have here; empty where any may stand. */
export const knownKeys = (schemas: readonly z.ZodType[]): string[] => [
  ...new Set(layers(schemas).flatMap((layer) => (layer instanceof z.ZodObject ? Object.keys(layer.shape) : []))),
];

export const isOfKind = (
  schemas: readonly z.ZodType[],
  ...kinds: readonly (abstract new (
    ...args: never[]
  ) => z.ZodType)[]
): boolean => layers(schemas).some((layer) => kinds.some((kind) => layer instanceof kind));

export const mayBeNull = (schemas: readonly z.ZodType[]): boolean => isOfKind(schemas, z.ZodNullable, z.ZodNull);

const MARKS: readonly SecretMark[] = ['if set', 'if needed', true];

export function secretMark(schemas: readonly z.ZodType[]): SecretMark | null {
  const marks = layers(schemas).map((layer) => layer.meta()?.secret);
  return MARKS.find((mark) => marks.includes(mark)) ?? null;
}
