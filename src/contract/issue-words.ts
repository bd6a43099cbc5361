import type { z } from 'zod';

type RawIssue = z.core.$ZodRawIssue;

/**
 * What is wrong with a value, in words a person uses, where a schema doesn't say it in its own. `object` is what one is
 * called where it was written.
 */
export const issueWords = (object: 'a map' | 'an object') => {
  const kindName = (kind: string): string => (kind === 'object' || kind === 'record' ? object : (KINDS[kind] ?? kind));
  const kindOf = (value: unknown): string => {
    if (value === undefined) return 'missing';
    if (value === null) return 'null';
    if (Array.isArray(value)) return 'a list';
    if (typeof value === 'number' && !Number.isInteger(value))
      return Number.isFinite(value) ? 'a fraction' : 'one too large to be held';
    return kindName(typeof value);
  };
  return (issue: RawIssue): string | undefined =>
    issue.code === 'invalid_type'
      ? `must be ${kindName(issue.expected)}, not ${kindOf(issue.input)}`
      : wordsOfValue(issue);
};

function wordsOfValue(issue: RawIssue): string | undefined {
  switch (issue.code) {
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
  null: 'null',
};
