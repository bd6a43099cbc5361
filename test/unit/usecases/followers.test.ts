import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Hint } from '../../../src/store/wakeups.ts';
import { createFollowers } from '../../../src/usecases/log/followers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Two replicas, and whether hints get from the one to the other. */
function twoReplicas() {
  const link = { works: true };
  const listeners: ((hint: Hint) => void)[][] = [[], []];
  const replica = (own: number) =>
    createFollowers({
      emit: (...hints) => {
        const reached = link.works ? listeners.flat() : (listeners[own] ?? []);
        for (const listener of reached) hints.forEach(listener);
      },
      subscribe: (listener) => {
        listeners[own]?.push(listener);
        return () => {};
      },
    });
  return { here: replica(0), there: replica(1), link };
}

it('a log is followed here and on the other replica, and some seconds after nobody follows it nowhere', () => {
  const { here, there } = twoReplicas();
  const leave = here.add('a');
  expect([here.has('a'), there.has('a'), there.has('b')]).toEqual([true, true, false]);
  vi.advanceTimersByTime(60_000);
  expect([here.has('a'), there.has('a')]).toEqual([true, true]);
  leave();
  expect(here.has('a')).toBe(false);
  vi.advanceTimersByTime(20_000);
  expect(there.has('a')).toBe(false);
});

it('hundreds of logs are told of one by one, as a message to other replicas holds only some', () => {
  const told: number[] = [];
  const { add } = createFollowers({ emit: (...hints) => void told.push(hints.length), subscribe: () => () => {} });
  for (let n = 0; n < 300; n++) {
    add(`${n}`);
    vi.advanceTimersByTime(20);
  }
  vi.advanceTimersByTime(10_000);
  expect(Math.max(...told)).toBe(1);
  expect(told.length).toBeGreaterThan(600);
});

it('of several who follow one log the last one ends it', () => {
  const { here } = twoReplicas();
  const [one, two] = [here.add('a'), here.add('a')];
  one();
  expect(here.has('a')).toBe(true);
  two();
  expect(here.has('a')).toBe(false);
});

it('a word of it that was lost is made good by the next', () => {
  const { here, there, link } = twoReplicas();
  link.works = false;
  here.add('a');
  expect(there.has('a')).toBe(false);
  link.works = true;
  vi.advanceTimersByTime(6_000);
  expect(there.has('a')).toBe(true);
});
