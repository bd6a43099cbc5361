import type { z } from 'zod';
import { type Path, unknownKey } from './mistake.ts';
import { knownKeys, schemasAt } from './schema-tree.ts';

/** One finding of a schema. `atKey`: it is about the key that ends the path, not about the value there. */
export type Finding = { path: Path; message: string; atKey: boolean; missing: boolean };

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

/** Checks the data against the schema; answers its output, or everything that is wrong in words a person uses. */
export function validate<T>(schema: z.ZodType<T>, data: unknown): { value: T } | { findings: Finding[] } {
  const result = schema.safeParse(data, { error: words, reportInput: true });
  if (result.success) return { value: result.data };
  return { findings: result.error.issues.flatMap((issue) => findingsOf(issue, [], schema)) };
}

function findingsOf(issue: Issue, prefix: Path, schema: z.ZodType): Finding[] {
  const path = [...prefix, ...(issue.path as (string | number)[])];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schemasAt(schema, path));
    return issue.keys.map((key) => found([...path, key], unknownKey(key, known), { atKey: true }));
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => found(path, `the name ${inner.message}`, { atKey: true }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return ofUnion(issue.errors, path, schema);
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  return [found(path, missing ? 'is missing' : issue.message, { missing })];
}

/** Of the kinds that a value may have, it is judged as the one that it resembles. */
function ofUnion(kinds: readonly Issue[][], path: Path, schema: z.ZodType): Finding[] {
  const resembling = kinds.filter((issues) => !issues.some((issue) => isOtherKind(issue)));
  const [only] = resembling;
  if (only !== undefined && resembling.length === 1) return only.flatMap((issue) => findingsOf(issue, path, schema));
  const messages = (resembling.length > 0 ? resembling : kinds).flat().map((issue) => issue.message);
  const missing = kinds.flat().every((issue) => issue.code === 'invalid_type' && issue.input === undefined);
  return [found(path, missing ? 'is missing' : [...new Set(messages)].join(', or '), { missing })];
}

const isOtherKind = (issue: Issue): boolean => issue.path.length === 0 && issue.code === 'invalid_type';

const found = (path: Path, message: string, about: { atKey?: boolean; missing?: boolean } = {}): Finding => ({
  path,
  message,
  atKey: about.atKey ?? false,
  missing: about.missing ?? false,
});

function words(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${kindName(issue.expected)}, not ${kindOf(issue.input)}`;
    case 'too_small':
      return tooSmall(issue.origin, Number(issue.minimum), issue.inclusive !== false);
    case 'too_big':
      return `must ${bound(issue.origin)}${issue.inclusive === false ? 'less than' : 'at most'} ${counted(issue.origin, Number(issue.maximum))}`;
    case 'invalid_value':
      return oneOf(issue.values);
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options) ? oneOf(issue.options) : undefined;
    case 'invalid_format':
      return `must be ${FORMATS[issue.format] ?? `text of the form ${issue.pattern ?? issue.format}`}`;
    default:
      return undefined;
  }
}

const oneOf = (values: readonly unknown[]) =>
  `must be ${values.length > 1 ? 'one of ' : ''}${values.map(String).join(', ')}`;

function tooSmall(origin: string, minimum: number, inclusive: boolean): string {
  if (minimum === 1 && inclusive && bound(origin) !== 'be ') return 'must not be empty';
  return `must ${bound(origin)}${inclusive ? 'at least' : 'more than'} ${counted(origin, minimum)}`;
}

const bound = (origin: string) => (origin in UNITS ? 'have ' : 'be ');
const counted = (origin: string, count: number) => {
  const unit = UNITS[origin];
  return unit === undefined ? `${count}` : `${count} ${unit}`;
};
const UNITS: Record<string, string> = { string: 'characters', array: 'entries' };
const FORMATS: Record<string, string> = { url: 'a URL', uuid: 'a UUID', datetime: 'a time in RFC 3339' };

const KINDS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  null: 'null',
};
const kindName = (kind: string): string => KINDS[kind] ?? kind;

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number' && !Number.isInteger(value)) return 'a fraction';
  return kindName(typeof value);
}
