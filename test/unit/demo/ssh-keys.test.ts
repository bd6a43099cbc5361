import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { makeKey, publicBlob } from '../../../src/demo/ssh-keys.ts';

test('every key that is made can be read', () => {
  const keys = Array.from({ length: 1_500 }, makeKey);
  expect(keys.filter((key) => ssh2.utils.parseKey(key.private) instanceof Error)).toEqual([]);
  expect(new Set(keys.map((key) => publicBlob(key.public).length))).toEqual(new Set([51]));
});
