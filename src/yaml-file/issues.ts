import type { z } from 'zod';
import { issueWords } from '../contract/issue-words.ts';
import { type Path, unknownKey } from './mistake.ts';
import { knownKeys, schemasAt } from './schema-tree.ts';

/** One finding of a schema. `atKey`: it is about the key that ends the path, not about the value there. */
export type Finding = { path: Path; message: string; atKey: boolean; missing: boolean };

type Issue = z.core.$ZodIssue;
const words = issueWords('a map');

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
