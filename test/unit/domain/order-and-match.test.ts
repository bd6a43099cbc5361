import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chooseHost, hasLabels, normalizeLabels } from '../../../src/domain/match.ts';
import { allowedChanges, isMove, MOVES } from '../../../src/domain/moves.ts';
import { rankOf } from '../../../src/domain/rank.ts';
import { retryDelaySeconds } from '../../../src/domain/retry.ts';
import { FINAL_STATUSES, isFinal, isTaken, priorityNumber, STATUSES } from '../../../src/domain/task.ts';

it('of two tasks the one with the higher priority comes first, until the other has waited a level longer', () => {
  const day = 86_400;
  const at = 1_795_000_000_000_000;
  expect(rankOf(at, 5, day)).toBeLessThan(rankOf(at, 3, day));
  expect(rankOf(at - 2 * day * 1_000_000, 3, day)).toBe(rankOf(at, 5, day));
  expect(Number.isSafeInteger(rankOf(at, 10, 31_536_000))).toBe(true);
});

it('priorities have names', () => {
  expect([priorityNumber('low'), priorityNumber('medium'), priorityNumber('high'), priorityNumber('urgent')]).toEqual([
    1, 3, 5, 8,
  ]);
  expect(priorityNumber(7)).toBe(7);
});

it('equal sets of labels are equal lists', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c')), (labels) => {
      expect(normalizeLabels(labels)).toEqual(normalizeLabels(labels.toReversed()));
      expect(hasLabels(labels, normalizeLabels(labels))).toBe(true);
    }),
  );
  expect(hasLabels(['a'], ['a', 'b'])).toBe(false);
});

const place = (agentId: string, taken: number, capacity: number) => ({ agentId, taken, capacity });

it('the least loaded host is the one with the smallest share taken, then the fewest, then by id', () => {
  expect(chooseHost([place('a', 1, 2), place('b', 1, 4)], 'least_loaded', null)).toBe('b');
  expect(chooseHost([place('a', 2, 4), place('b', 1, 2)], 'least_loaded', null)).toBe('b');
  expect(chooseHost([place('b', 0, 1), place('a', 0, 1)], 'least_loaded', null)).toBe('a');
  expect(chooseHost([place('a', 1, 1)], 'least_loaded', null)).toBeNull();
});

it('round robin goes on after the host last used, and steps over full ones', () => {
  const hosts = [place('a', 0, 1), place('b', 1, 1), place('c', 0, 1)];
  expect(chooseHost(hosts, 'round_robin', null)).toBe('a');
  expect(chooseHost(hosts, 'round_robin', 'a')).toBe('c');
  expect(chooseHost(hosts, 'round_robin', 'c')).toBe('a');
});

it('a chosen host always has a free place', () => {
  const places = fc.array(
    fc.record({ agentId: fc.string(), capacity: fc.integer({ min: 1, max: 5 }), taken: fc.nat(6) }),
  );
  fc.assert(
    fc.property(places, fc.constantFrom('least_loaded', 'round_robin'), fc.string(), (hosts, policy, last) => {
      const chosen = chooseHost(hosts, policy, last);
      const free = hosts.filter(({ taken, capacity }) => taken < capacity).map(({ agentId }) => agentId);
      if (free.length === 0) expect(chosen).toBeNull();
      else expect(free).toContain(chosen);
    }),
  );
});

it('the delay before a retry doubles up to a cap, give or take a fifth', () => {
  const delay = (spent: number, random: number) => retryDelaySeconds(60, spent, 3600, () => random);
  expect([delay(0, 0.5), delay(1, 0.5), delay(2, 0.5), delay(20, 0.5)]).toEqual([60, 120, 240, 3600]);
  expect(delay(0, 0)).toBeCloseTo(48);
  expect(delay(0, 1)).toBeCloseTo(72);
});

it('no move but retry leads out of a final status', () => {
  expect(STATUSES.filter(isFinal)).toEqual([...FINAL_STATUSES]);
  expect(STATUSES.filter(isTaken)).toEqual(['assigned', 'running']);
  expect(allowedChanges().filter(({ from }) => isFinal(from))).toEqual([
    { from: 'failed', to: 'pending' },
    { from: 'cancelled', to: 'pending' },
  ]);
  expect(isMove('take', 'pending', 'running')).toBe(false);
  expect(MOVES.flatMap(({ who }) => who).length).toBeGreaterThan(MOVES.length);
});
