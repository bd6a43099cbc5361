import { expect, it } from 'vitest';
import { type EndingThere, isolates, judge, ownFailures } from '../../../src/domain/isolation.ts';

const ending = (changes: Partial<EndingThere>): EndingThere => ({
  taskId: 't',
  outcome: 'failed',
  failureClass: null,
  error: null,
  ...changes,
});
const lost = (taskId: string) => ending({ taskId, outcome: 'lost' });

it.each([
  ['lost', null, null, 'own_fault'],
  ['failed', 'infrastructure', 'the host closed the connection', 'own_fault'],
  ['failed', 'setup', 'the disk is full', 'own_fault'],
  ['failed', 'setup', 'the command could not be started: is the disk full?', 'own_fault'],
  ['failed', 'setup', 'the control folder cannot be written', 'own_fault'],
  ['failed', 'setup', 'the wrapper script gave no answer (exit 126): ', 'own_fault'],
  ['failed', 'setup', 'program `claude` not found', 'works'],
  ['failed', 'setup', 'program `/home/me/shell` not found on gpu-1', 'works'],
  ['failed', 'setup', 'the limit memory_bytes cannot be kept: the disk has no cgroups', 'works'],
  ['failed', 'setup', 'limits are not available on this machine: file_size_bytes', 'works'],
  ['failed', 'setup', 'HOME can’t be set in the environment of a command', 'works'],
  ['failed', 'setup', null, 'works'],
  ['failed', 'exit', 'no space left on the disk', 'works'],
  ['failed', 'timeout', null, 'works'],
  ['failed', 'policy', null, 'works'],
  ['completed', null, null, 'works'],
  ['cancelled', null, null, 'tells_nothing'],
  ['released', null, null, 'tells_nothing'],
  ['preempted', null, null, 'tells_nothing'],
] as const)('of an agent %s (%s: %s) tells: %s', (outcome, failureClass, error, judgement) => {
  expect(judge({ outcome, failureClass, error })).toBe(judgement);
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
