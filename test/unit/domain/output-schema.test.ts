import { describe, expect, test } from 'vitest';
import type { Json } from '../../../src/domain/canonical-json.ts';
import { checkOutput, checkSchema } from '../../../src/domain/output-schema.ts';

const schema = {
  type: 'object',
  required: ['verdict'],
  properties: { verdict: { enum: ['approve', 'reject'] }, notes: { type: 'array', items: { type: 'string' } } },
  additionalProperties: false,
};

describe('an output', () => {
  test.each<[Json, string | null]>([
    [{ verdict: 'approve', notes: ['fine'] }, null],
    [
      { verdict: 'perhaps' },
      "the output's /verdict does not satisfy the schema: must be equal to one of the allowed values",
    ],
    [{ verdict: 'reject', notes: ['a', 1] }, "the output's /notes/1 does not satisfy the schema: must be string"],
    [
      { verdict: 'reject', more: 1 },
      'the output does not satisfy the schema: must NOT have additional properties: more',
    ],
    [{}, "the output does not satisfy the schema: must have required property 'verdict'"],
    [null, 'the output does not satisfy the schema: must be object'],
  ])('%j of its schema: %s', (output, sentence) => {
    expect(checkOutput(schema, output)).toBe(sentence);
  });

  test('is judged by draft 2020-12, in which a format only tells people something', () => {
    expect(checkOutput({ prefixItems: [{ type: 'string' }], items: false }, ['a', 'b'])).toMatch(/items/);
    expect(checkOutput({ $defs: { n: { type: 'number' } }, $ref: '#/$defs/n' }, 'x')).toMatch(/must be number/);
    expect(checkOutput({ type: 'string', format: 'email', 'x-note': 'ours' }, 'nobody')).toBeNull();
  });

  test('is judged by the schema itself, whatever name that gives itself', () => {
    const named = (type: string) => ({ $id: 'https://example.org/same', type });
    expect(checkOutput(named('string'), 1)).toMatch(/must be string/);
    expect(checkOutput(named('number'), 1)).toBeNull();
  });

  const twice = (to: number) => ({ allOf: [{ $ref: `#/$defs/${to}` }, { $ref: `#/$defs/${to}` }] });
  const laughing = {
    $ref: '#/$defs/0',
    $defs: Object.fromEntries([...Array(60).keys()].map((n) => [n, n < 59 ? twice(n + 1) : { type: 'number' }])),
  };
  test.each<[string, Json, Json]>([
    ['a pattern that tries everything', { pattern: '^(a+)+$' }, `${'a'.repeat(60)}!`],
    ['references that double', laughing, 1],
    ['items compared with each other', { uniqueItems: true }, [...Array(200_000).keys()].map((n) => [n])],
  ])('is given up when it takes for ever to judge: %s', (_, slow, output) => {
    expect(checkOutput(slow, output)).toBe("the output can't be checked against its schema: it takes too long");
    expect(checkOutput({ type: 'number' }, 1)).toBeNull();
  });
});

test.each<[string, Json, RegExp]>([
  ['an unknown type', { type: 'objekt' }, /type must be equal to one of the allowed values/],
  ['a word where a list belongs', { required: 'verdict' }, /required must be array/],
  ['a pattern that is none', { pattern: '(' }, /Unterminated group/],
  [
    'a reference to the outside',
    { $ref: 'https://example.org/schema' },
    /can't resolve reference https:\/\/example.org\/schema/,
  ],
  ['a reference to nothing', { $ref: '#/$defs/none' }, /can't resolve reference/],
  ['another draft', { $schema: 'http://json-schema.org/draft-07/schema#' }, /no schema with key or ref/],
  [
    'thousands of branches',
    { allOf: Array.from({ length: 5_000 }, () => ({ type: 'object' })) },
    /nested too deep|takes too long/, // on a slow machine the latter comes first
  ],
])('a schema with %s is refused', (_, wrong, why) => {
  expect(() => checkSchema(wrong)).toThrow(why);
});
