import { expect, it } from 'vitest';
import { type EndingThere, isolates, judge, ownFailures } from '../../../src/domain/isolation.ts';

const ending = (changes: Partial<EndingThere>): EndingThere => ({
  taskId: 't',
  outcome: 'failed',
  failureClass: null,
  ownFailure: false,
  error: null,
  ...changes,
});
const lost = (taskId: string) => ending({ taskId, outcome: 'lost' });

it.each([
  ['lost', null, false, 'own_fault'],
  ['failed', 'infrastructure', false, 'own_fault'],
  ['failed', 'setup', true, 'own_fault'],
  ['failed', 'setup', false, 'works'],
  ['failed', 'exit', false, 'works'],
  ['failed', 'exit', true, 'works'],
  ['failed', 'timeout', false, 'works'],
  ['failed', 'policy', false, 'works'],
  ['completed', null, false, 'works'],
  ['cancelled', null, false, 'tells_nothing'],
  ['released', null, false, 'tells_nothing'],
  ['preempted', null, false, 'tells_nothing'],
] as const)('of an agent %s (%s, own failure: %s) tells: %s', (outcome, failureClass, ownFailure, judgement) => {
  expect(judge({ outcome, failureClass, ownFailure })).toBe(judgement);
});

it('three in a row, of different tasks, isolate', () => {
  expect(isolates(ownFailures([], [lost('a'), lost('b')]))).toBe(false);
  expect(isolates(ownFailures(['a', 'b'], [lost('c')]))).toBe(true);
  expect(isolates(ownFailures([], [lost('a'), lost('a'), lost('a'), lost('b')]))).toBe(false);
});

it('a success, or a failure of a task’s own, begins the row anew; what tells nothing leaves it', () => {
  const works = ending({ outcome: 'completed' });
  const exit = ending({ failureClass: 'exit' });
  const released = ending({ outcome: 'released' });
  expect(ownFailures(['a', 'b'], [works, lost('c')])).toEqual(['c']);
  expect(ownFailures(['a', 'b'], [exit])).toEqual([]);
  expect(ownFailures(['a', 'b'], [released, lost('c')])).toEqual(['a', 'b', 'c']);
  expect(ownFailures(['a', 'b', 'c'], [lost('d')])).toEqual(['b', 'c', 'd']);
});
