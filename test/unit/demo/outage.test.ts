import { expect, test } from 'vitest';
import { isWhole, numbersIn } from '../../../src/demo/outage.ts';

test.each([
  ['all lines, once', 'title 9 of x\n10:00 part 1 of 3\npart 2 of 3\npart 3 of 3\n', true],
  ['a line missing', 'part 1 of 3\npart 3 of 3\n', false],
  ['the last line missing', 'part 1 of 3\npart 2 of 3\n', false],
  ['a line twice', 'part 1 of 3\npart 2 of 3\npart 2 of 3\npart 3 of 3\n', false],
  ['nothing', '', false],
])('a log with %s is whole or not', (_, text, whole) => {
  expect(isWhole(numbersIn(text))).toBe(whole);
});
