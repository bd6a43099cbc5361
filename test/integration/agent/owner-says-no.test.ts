import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createStoppableMachine } from '../../../src/agent/stoppable-machine.ts';
import type { StartSpec } from '../../../src/domain/machine.ts';
import type { Machine } from '../../../src/executor/machine.ts';
import { type Resumed, runAttempt } from '../../../src/executor/run-attempt.ts';
import { type GuardedMachine, guardedMachine, specOf } from '../../support/guarded-machine.ts';
import { createMemoryControlPlane } from '../../support/memory-control-plane.ts';

const signal = new AbortController().signal;
const log = { debug() {}, info() {}, warn() {}, error() {} };

/** The attempt's whole life; what the server is told at its end. */
async function resultOf({ machine }: GuardedMachine, spec: StartSpec, resume: Resumed | null = null) {
  const { plane, kept } = createMemoryControlPlane(spec.attemptId);
  await runAttempt({ plane, machine, spec, resume, renewSeconds: 1, signal, log });
  expect(kept.results).toHaveLength(1);
  return { ...kept.results[0], process: kept.process };
}

const folderOf = ({ root }: GuardedMachine, spec: StartSpec) => join(root, 'work/here', `a.${spec.attemptId}`);

const ONLY = { TASKEJO_AGENT_SECURITY__ALLOWED_COMMANDS: 'true' };

describe('a command that the machine’s owner doesn’t allow', () => {
  test('is refused with the rule, whatever the server thinks of it, before anything reaches the machine', async () => {
    const there = await guardedMachine(ONLY);
    const spec = specOf('touch ran');
    expect(await resultOf(there, spec)).toMatchObject({
      outcome: 'failed',
      failureClass: 'policy',
      error: 'policy: allowed_commands',
      process: null,
    });
    expect(existsSync(folderOf(there, spec))).toBe(false);
    expect(await resultOf(there, specOf('', { command: ['true'] }))).toMatchObject({ outcome: 'completed' });
  });

  test('is refused by a pattern that its arguments match', async () => {
    const there = await guardedMachine({ TASKEJO_AGENT_SECURITY__DENIED_PATTERNS: '\\bsudo\\b' });
    expect(await resultOf(there, specOf('sudo id'))).toMatchObject({
      failureClass: 'policy',
      error: 'policy: denied_patterns: \\bsudo\\b',
    });
  });

  test('is refused also where an agent that died may have started it, and then surely never runs', async () => {
    const there = await guardedMachine(ONLY);
    const spec = specOf('touch ran');
    const { storeId, bootId } = await there.machine.ping(signal);
    const resume = { store: { storeId, bootId }, process: null };
    expect(await resultOf(there, spec, resume)).toMatchObject({ failureClass: 'policy' });
    expect(await there.machine.status(spec.attemptId, signal)).toMatchObject({ state: 'void' });
  });

  test('goes on to its end when it had begun before the owner said so', async () => {
    const before = await guardedMachine();
    const spec = specOf('read x; echo "$x"');
    await before.machine.start(spec, signal);
    const { storeId, bootId } = await before.machine.ping(signal);
    const after = await guardedMachine({ ...ONLY, TASKEJO_AGENT_STATE_DIR: before.root });
    expect(await resultOf(after, spec, { store: { storeId, bootId }, process: null })).toMatchObject({
      outcome: 'completed',
    });
  });
});

describe('an attempt that the machine’s owner stops', () => {
  test('before it began never begins, and has failed in the machinery', async () => {
    const there = await guardedMachine();
    const spec = specOf('touch ran');
    await there.stops.stop(spec, signal);
    expect(await resultOf(there, spec)).toMatchObject({
      outcome: 'failed',
      failureClass: 'infrastructure',
      error: 'stopped on the machine',
      process: null,
    });
  });

  test('while its start is on the way to the machine never begins either', async () => {
    const { machine } = await guardedMachine();
    const stopped = Promise.withResolvers<void>();
    const slow: Machine = {
      ...machine,
      start: async (...how) => {
        await stopped.promise;
        return machine.start(...how);
      },
    };
    const stops = createStoppableMachine(slow, Math.random);
    const spec = specOf('touch ran');
    const starting = expect(stops.machine.start(spec, signal)).rejects.toMatchObject({
      failureClass: 'infrastructure',
      message: 'stopped on the machine',
    });
    await stops.stop(spec, signal);
    stopped.resolve();
    await starting;
    expect(await machine.status(spec.attemptId, signal)).toMatchObject({ state: 'void' });
  });
});
