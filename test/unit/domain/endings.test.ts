import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endAttempt, type Said, type Standing } from '../../../src/domain/endings.ts';
import { isMove } from '../../../src/domain/moves.ts';
import { FAILURE_CLASSES, STOP_REASONS } from '../../../src/domain/task.ts';

const standing = (changes: Partial<Standing> = {}): Standing => ({
  stopReason: null,
  repeatable: true,
  retries: 0,
  maxRetries: 0,
  infraRetries: 0,
  maxInfraRetries: 3,
  processReported: false,
  provenUnstarted: false,
  ...changes,
});
const said = (outcome: Said['outcome'], changes: Partial<Said> = {}): Said => ({
  outcome,
  failureClass: null,
  exitCode: null,
  ...changes,
});

describe('the order of endings', () => {
  it.each(STOP_REASONS)('a success that was said stands, though a stop was asked: %s', (stopReason) => {
    expect(endAttempt(said('completed'), standing({ stopReason }))).toMatchObject({ status: 'completed' });
  });

  it.each(['failed', 'cancelled', 'released', 'lost'] as const)(
    'with a cancel asked the task is cancelled, though %s was said',
    (outcome) => {
      const end = endAttempt(said(outcome), standing({ stopReason: 'cancel' }));
      expect(end).toEqual({ outcome: 'cancelled', failureClass: null, status: 'cancelled', spends: null });
    },
  );

  it('a timeout that the server asked is a failure of that class, whatever was said', () => {
    const end = endAttempt(said('cancelled'), standing({ stopReason: 'timeout', maxRetries: 1 }));
    expect(end).toEqual({ outcome: 'failed', failureClass: 'timeout', status: 'pending', spends: 'retries' });
  });

  it('a preemption takes nothing from a budget', () => {
    const end = endAttempt(said('lost'), standing({ stopReason: 'preempted', infraRetries: 3, repeatable: false }));
    expect(end).toEqual({ outcome: 'preempted', failureClass: null, status: 'pending', spends: null });
  });
});

describe('retries', () => {
  it.each(['exit', 'signal', 'timeout', 'memory', 'output'] as const)(
    'a command that failed by %s is tried again while max_retries lasts',
    (failureClass) => {
      const words = said('failed', { failureClass });
      expect(endAttempt(words, standing({ maxRetries: 1 }))).toMatchObject({ status: 'pending', spends: 'retries' });
      expect(endAttempt(words, standing({ maxRetries: 1, retries: 1 }))).toMatchObject({
        status: 'failed',
        spends: null,
      });
    },
  );

  it.each(['setup', 'infrastructure'] as const)(
    'a failure of the machinery (%s) is tried again while max_infra_retries lasts',
    (failureClass) => {
      const words = said('failed', { failureClass });
      expect(endAttempt(words, standing())).toMatchObject({ status: 'pending', spends: 'infraRetries' });
      expect(endAttempt(words, standing({ infraRetries: 3 }))).toMatchObject({ status: 'failed' });
    },
  );

  it('a failure of the machinery after a process was reported is tried again only if the task may run twice', () => {
    const words = said('failed', { failureClass: 'infrastructure' });
    const ran = { processReported: true, repeatable: false };
    expect(endAttempt(words, standing(ran))).toMatchObject({ status: 'failed' });
    expect(endAttempt(words, standing({ ...ran, repeatable: true }))).toMatchObject({ status: 'pending' });
  });

  it('what may have run and must not run twice ends as lost at once, unless it is proven that nothing ran', () => {
    expect(endAttempt(said('lost'), standing({ repeatable: false }))).toMatchObject({
      outcome: 'lost',
      status: 'failed',
    });
    expect(endAttempt(said('lost'), standing({ repeatable: false, provenUnstarted: true }))).toMatchObject({
      status: 'pending',
    });
  });

  it('a refused command is never tried again', () => {
    const words = said('failed', { failureClass: 'policy' });
    expect(endAttempt(words, standing({ maxRetries: 9 }))).toMatchObject({ status: 'failed' });
  });

  it('a failure without a class is one of the command if there is an exit code, else of the machinery', () => {
    expect(endAttempt(said('failed', { exitCode: 1 }), standing())).toMatchObject({ failureClass: 'exit' });
    expect(endAttempt(said('failed'), standing())).toMatchObject({ failureClass: 'infrastructure' });
  });
});

const anySaid = fc.record({
  outcome: fc.constantFrom('completed', 'failed', 'cancelled', 'released', 'lost'),
  failureClass: fc.option(fc.constantFrom(...FAILURE_CLASSES)),
  exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
});
const anyStanding = fc.record({
  stopReason: fc.option(fc.constantFrom(...STOP_REASONS)),
  repeatable: fc.boolean(),
  retries: fc.nat(3),
  maxRetries: fc.nat(3),
  infraRetries: fc.nat(3),
  maxInfraRetries: fc.nat(3),
  processReported: fc.boolean(),
  provenUnstarted: fc.boolean(),
});

it('every ending is a move that the table allows, and a new try is taken from a budget that has one left', () => {
  fc.assert(
    fc.property(anySaid, anyStanding, (words, stands) => {
      const end = endAttempt(words, stands);
      expect(isMove('end', 'running', end.status)).toBe(true);
      if (stands.stopReason === 'cancel') expect(end.status).not.toBe('pending');
      if (end.spends === 'retries') expect(stands.retries).toBeLessThan(stands.maxRetries);
      if (end.spends === 'infraRetries') expect(stands.infraRetries).toBeLessThan(stands.maxInfraRetries);
      if (end.status === 'pending' && end.spends === null) expect(['preempted', 'released']).toContain(end.outcome);
    }),
  );
});
