import { expect, test } from 'vitest';
import { replaceable } from '../../../src/server/replaceable.ts';

/** Tells in which order things begin and end. */
function diary() {
  const lines: string[] = [];
  const begin = async (name: string) => {
    if (name === 'bad') throw new Error('it can not begin');
    lines.push(`${name} begins`);
    return {
      async stop() {
        await Promise.resolve();
        lines.push(`${name} ends`);
      },
    };
  };
  return { lines, begin };
}

test('the new one begins before the old one ends, one change after the other', async () => {
  const { lines, begin } = diary();
  const running = await replaceable<string>('a', begin);
  await Promise.all([running.replace('b'), running.replace('c')]);
  await running.stop();
  expect(lines).toEqual(['a begins', 'b begins', 'a ends', 'c begins', 'b ends', 'c ends']);
});

test('one that can not begin leaves the old one as it is', async () => {
  const { lines, begin } = diary();
  const running = await replaceable<string>('a', begin);
  await expect(running.replace('bad')).rejects.toThrow('it can not begin');
  expect(lines).toEqual(['a begins']);
  await running.replace('b');
  await running.stop();
  expect(lines).toEqual(['a begins', 'b begins', 'a ends', 'b ends']);
});

test('after the stop nothing begins any more', async () => {
  const { lines, begin } = diary();
  const running = await replaceable<string>('a', begin);
  await running.stop();
  await running.replace('b');
  expect(lines).toEqual(['a begins', 'a ends']);
});
