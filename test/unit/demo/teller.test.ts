import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { columns, createTeller, wrap } from '../../../src/demo/teller.ts';

/** What a teller writes to something that is no screen, without the seconds. */
function told(tell: (teller: ReturnType<typeof createTeller>) => void): string[] {
  const stream = new PassThrough();
  tell(createTeller(stream as unknown as NodeJS.WriteStream));
  return String(stream.read()).trimEnd().split('\n');
}

describe('the teller', () => {
  test('breaks sentences between words, and leaves a long word whole', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('a-very-long-word in it', 5)).toEqual(['a-very-long-word', 'in it']);
  });

  test('makes columns as wide as their widest cell', () => {
    expect(
      columns([
        ['a', 'b'],
        ['long', 'c'],
      ]),
    ).toEqual(['a     b', 'long  c']);
  });

  test('uses no colour where nobody would see it', () => {
    expect(told((teller) => teller.say('done', 'green'))).toEqual([expect.stringMatching(/^ +0\.0 s {2}done$/)]);
  });

  test('shows what a terminal would obey', () => {
    expect(told((teller) => teller.live('a\u001b[2Jb\u202ec'))).toEqual([expect.stringMatching(/│ a␛\[2Jb\ufffdc$/)]);
  });
});
