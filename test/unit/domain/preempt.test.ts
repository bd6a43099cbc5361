import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ContestedPlace, chooseVictim, type Preemptor, type RunningTask } from '../../../src/domain/preempt.ts';

const limits = { gap: 3, minRunSeconds: 60, maxPerTask: 2 };
const urgent: Preemptor = { priority: 8, rank: 100, hasStopped: false };
const full = (agentId: string, more: Partial<ContestedPlace> = {}): ContestedPlace => ({
  agentId,
  capacity: 1,
  taken: 1,
  stopping: 0,
  ...more,
});
const task = (id: string, more: Partial<RunningTask> = {}): RunningTask => ({
  id,
  attemptId: 'an attempt',
  agentId: 'a',
  priority: 3,
  rank: 200,
  preemptible: true,
  preemptions: 0,
  ranSeconds: 60,
  reachable: true,
  stopAsked: false,
  ...more,
});

describe('the task that is stopped for a more urgent one', () => {
  it('is the worst-ranked of those that may be stopped', () => {
    const running = [task('x', { rank: 201 }), task('y', { rank: 300 }), task('z', { rank: 202 })];
    expect(chooseVictim(urgent, [full('a')], running, limits)?.id).toBe('y');
    const excused = running.map((one) => (one.id === 'y' ? { ...one, preemptible: false } : one));
    expect(chooseVictim(urgent, [full('a')], excused, limits)?.id).toBe('z');
  });

  it.each<[string, Partial<RunningTask>, string | null]>([
    ['priority lower by the gap', { priority: 5 }, 'x'],
    ['priority lower by less', { priority: 6 }, null],
    ['the same rank', { rank: 100 }, null],
    ['a better rank, since it has waited for long', { priority: 0, rank: 99 }, null],
    ['run for a second too short', { ranSeconds: 59 }, null],
    ['been stopped once before', { preemptions: 1 }, 'x'],
    ['been stopped as often as it may be', { preemptions: 2 }, null],
    ['said that it must not be', { preemptible: false }, null],
    ['a machine that does not answer', { reachable: false }, null],
    ['been asked to stop already', { stopAsked: true }, null],
    ['its place where the other may not go', { agentId: 'elsewhere' }, null],
  ])('when it has %s', (_, more, chosen) => {
    expect(chooseVictim(urgent, [full('a')], [task('x', more)], limits)?.id ?? null).toBe(chosen);
  });

  it('may have run for no time at all when the least is 0', () => {
    const atOnce = { ...limits, minRunSeconds: 0 };
    expect(chooseVictim(urgent, [full('a')], [task('x', { ranSeconds: 0 })], atOnce)?.id).toBe('x');
  });

  it('is none while a place is free', () => {
    expect(chooseVictim(urgent, [full('a'), full('b', { taken: 0 })], [task('x')], limits)).toBeNull();
  });

  it('is none while another is being stopped for it', () => {
    expect(chooseVictim({ ...urgent, hasStopped: true }, [full('a')], [task('x')], limits)).toBeNull();
  });

  it('is none where more runs than there are places, until what stops there leaves one', () => {
    expect(chooseVictim(urgent, [full('a', { taken: 2 })], [task('x')], limits)).toBeNull();
    expect(chooseVictim(urgent, [full('a', { taken: 2, stopping: 1 })], [task('x')], limits)?.id).toBe('x');
  });
});

it('whoever is stopped is far less urgent, ranked behind, and nobody who might be is ranked behind it', () => {
  const agents = fc.constantFrom('a', 'b', 'c');
  const tasks = fc.uniqueArray(
    fc.record({
      id: fc.string({ minLength: 1, maxLength: 3 }),
      attemptId: fc.constant('an attempt'),
      agentId: agents,
      priority: fc.integer({ min: 0, max: 10 }),
      rank: fc.integer({ min: 0, max: 20 }),
      preemptible: fc.boolean(),
      preemptions: fc.integer({ min: 0, max: 3 }),
      ranSeconds: fc.integer({ min: 0, max: 120 }),
      reachable: fc.boolean(),
      stopAsked: fc.boolean(),
    }),
    { selector: ({ id }) => id },
  );
  const preemptor = fc.record({
    priority: fc.integer({ min: 0, max: 10 }),
    rank: fc.integer({ min: 0, max: 20 }),
    hasStopped: fc.boolean(),
  });
  const places = fc.uniqueArray(
    fc.record({ agentId: agents, capacity: fc.integer({ min: 1, max: 3 }), taken: fc.nat(3), stopping: fc.nat(1) }),
    { selector: ({ agentId }) => agentId },
  );
  fc.assert(
    fc.property(preemptor, places, tasks, (waiting, contested, running) => {
      const victim = chooseVictim(waiting, contested, running, limits);
      expect(chooseVictim(waiting, contested, running.toReversed(), limits)).toEqual(victim);
      if (victim === null) return;
      expect(waiting.hasStopped).toBe(false);
      expect(contested.every(({ taken, capacity }) => taken >= capacity)).toBe(true);
      expect(contested.map(({ agentId }) => agentId)).toContain(victim.agentId);
      expect(victim).toMatchObject({ preemptible: true, reachable: true, stopAsked: false });
      expect(waiting.priority - victim.priority).toBeGreaterThanOrEqual(limits.gap);
      expect(victim.rank).toBeGreaterThan(waiting.rank);
      expect(victim.ranSeconds).toBeGreaterThanOrEqual(limits.minRunSeconds);
      expect(victim.preemptions).toBeLessThan(limits.maxPerTask);
      const worse = running.filter(({ rank }) => rank > victim.rank);
      expect(chooseVictim(waiting, contested, worse, limits)).toBeNull();
    }),
  );
});
