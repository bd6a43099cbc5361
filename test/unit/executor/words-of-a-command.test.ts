import { describe, expect, test } from 'vitest';
import { OUTPUT_LIMIT_BYTES, readOutput } from '../../../src/executor/attempt/read-output.ts';
import { readProgress } from '../../../src/executor/attempt/read-progress.ts';
import { createBackoff } from '../../../src/executor/backoff.ts';

describe('a line of progress', () => {
  test.each([
    ['40% reading', 40, 'reading'],
    ['7%', 7, null],
    ['99.5 % nearly', 99.5, 'nearly'],
    ['100%done', 100, 'done'],
    ['101% too much', null, '101% too much'],
    ['reading 40%', null, 'reading 40%'],
    ['-3% back', null, '-3% back'],
    ['', null, null],
  ])('%j is read', (line, percent, message) => {
    expect(readProgress(line)).toEqual({ percent, message });
  });

  test('is short enough for the control plane, and is text', () => {
    const { message } = readProgress(`${'x'.repeat(999)}😀`);
    expect(message).toHaveLength(1000);
    expect(message?.isWellFormed()).toBe(true);
  });
});

describe('an output file', () => {
  const read = (text: string) => readOutput({ total: Buffer.byteLength(text), bytes: Buffer.from(text) });

  test.each([
    ['{"a": [1, null]}', { a: [1, null] }],
    ['"text"', 'text'],
    ['plain words\n', 'plain words\n'],
    ['{"half": ', '{"half": '],
  ])('%j is read', (text, value) => {
    expect(read(text)).toEqual(value);
  });

  test.each([
    ['nothing', ''],
    ['NUL in plain text', 'a\0b'],
    ['NUL in JSON', '{"a": "\\u0000"}'],
    ['half a character', '["\\ud800"]'],
    ['depth', `${'['.repeat(100)}${']'.repeat(100)}`],
    ['extreme depth', '['.repeat(200_000) + ']'.repeat(200_000)],
    ['size', JSON.stringify('x'.repeat(OUTPUT_LIMIT_BYTES))],
  ])('of what can not be stored is left out: %s', (_, text) => {
    expect(read(text)).toBeNull();
  });

  test('cut at the limit is left out', () => {
    expect(readOutput({ total: OUTPUT_LIMIT_BYTES + 1, bytes: Buffer.from('1') })).toBeNull();
    expect(readOutput(null)).toBeNull();
  });
});

describe('back-off', () => {
  test('doubles up to its longest wait, and begins anew after a success', () => {
    const backoff = createBackoff({ minMs: 100, maxMs: 500, random: () => 0 });
    expect([backoff.next(), backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([
      100, 200, 400, 500, 500,
    ]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  test('is shortened by up to a half, so that many spread out', () => {
    const backoff = createBackoff({ minMs: 100, maxMs: 100, random: () => 0.999 });
    expect(backoff.next()).toBe(50);
  });
});
