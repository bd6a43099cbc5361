import { expect, it } from 'vitest';
import { cancelledFor, isMet, reactionTo } from '../../../src/domain/dependency.ts';
import { DEPENDENCY_REACTIONS, STATUSES } from '../../../src/domain/task.ts';

it.each([
  ['completed', 'cancel', 'met'],
  ['completed', 'wait', 'met'],
  ['completed', 'run', 'met'],
  ['failed', 'cancel', 'cancel'],
  ['failed', 'wait', 'wait'],
  ['failed', 'run', 'met'],
  ['cancelled', 'cancel', 'cancel'],
  ['cancelled', 'wait', 'wait'],
  ['cancelled', 'run', 'met'],
] as const)('of one that %s, a dependant that is to %s makes %s', (status, reaction, expected) => {
  expect(reactionTo(status, reaction)).toBe(expected);
});

it.each(['pending', 'assigned', 'running'] as const)('one that is %s decides nothing yet', (status) => {
  for (const reaction of DEPENDENCY_REACTIONS) expect(reactionTo(status, reaction)).toBe('none');
});

it('what is met at creation is met when it is told', () => {
  for (const status of STATUSES) {
    for (const reaction of DEPENDENCY_REACTIONS) {
      expect(reactionTo(status, reaction) === 'met').toBe(isMet(status, reaction));
    }
  }
});

it('says why a dependant was cancelled', () => {
  expect(cancelledFor('t1', 'failed')).toBe('Task t1, which this one depends on, failed.');
  expect(cancelledFor('t1', 'cancelled')).toBe('Task t1, which this one depends on, was cancelled.');
});
