import { expect, test } from 'vitest';
import { missingProofs, type Part, renderAcceptance, type TestState } from '../support/acceptance-page.ts';

const parts: Part[] = [
  {
    part: 'Races',
    lines: [
      { line: 'exactly one wins', proofs: ['test/a.test.ts > one', 'test/a.test.ts > two'] },
      { line: 'a | b', proofs: [] },
      { line: 'a soak', proofs: [], planned: true },
    ],
  },
];

function results(one: TestState, two: TestState): Map<string, TestState> {
  return new Map([
    ['test/a.test.ts > one', one],
    ['test/a.test.ts > two', two],
  ]);
}

test.each([
  ['passed', 'passed', 'passed'],
  ['passed', 'failed', 'failed'],
  ['skipped', 'failed', 'failed'],
  ['passed', 'skipped', 'skipped'],
] as const)('a line whose tests %s and %s is %s', (one, two, state) => {
  const text = renderAcceptance(parts, results(one, two));
  expect(text).toContain(`| exactly one wins | ${state} | a.test.ts > one<br>a.test.ts > two |`);
});

test('a line without proofs is not yet there, or planned', () => {
  const text = renderAcceptance(parts, results('passed', 'passed'));
  expect(text).toContain('| a \\| b | not yet |  |');
  expect(text).toContain('| a soak | planned |  |');
  expect(text).toContain('3 lines: 1 passed, 0 failed, 0 skipped, 1 not yet, 1 planned.');
});

test('a proof that names no test is found', () => {
  expect(missingProofs(parts, new Map([['test/a.test.ts > one', 'passed']]))).toEqual(['test/a.test.ts > two']);
});

test('the order in which tests ended does not change the page', () => {
  const there = results('passed', 'skipped');
  const back = new Map([...there].reverse());
  expect(renderAcceptance(parts, back)).toBe(renderAcceptance(parts, there));
});
