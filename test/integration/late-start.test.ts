import { randomUUIDv7 } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Machine } from '../../src/executor/machine.ts';
import { startLoops } from '../../src/loops/index.ts';
import { createMetrics } from '../../src/metrics.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { loseHopeless, recordStarting } from '../../src/usecases/hosts/host-attempts.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { getTask, listAttempts, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { type MachineSubject, startSpec } from '../suites/machine-suite.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { localSubject } from '../support/local-machine.ts';
import { alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

/** A replica is frozen when it has written down that it sends a start, and sends it when it thaws: far too late. */
const log = { debug() {}, info() {}, warn() {}, error: console.error };
const installation = { id: 'suite', secret: Buffer.from('secret') };
let subject: MachineSubject;
let deps: Deps & { stop(): Promise<void> };
const loops: { stop(): Promise<void> }[] = [];

beforeEach(async () => {
  subject = await localSubject();
  deps = await createTestDeps(await createTestDatabase(), {
    leases: { seconds: 5, renewSeconds: 0.5, sweepSeconds: 1 },
  });
  await syncHosts(deps, [{ id: 'h1', labels: [], capacity: 1 }]);
});
afterEach(async () => {
  for (const each of loops.splice(0)) await each.stop();
  await expectHealthy(deps.db);
  await deps.stop();
  await subject.stop();
});

const replica = async (machine: Machine) => {
  const keptLimits = async () => ({ cpuPercent: null, memoryBytes: null, processes: null, fileSizeBytes: null });
  const host = { id: 'h1', lostAfterSeconds: 600, machine, tryOut: async () => null, keptLimits, close: () => {} };
  const metrics = createMetrics({ ofProcess: false });
  const more = { probeSeconds: 0.2, publicUrl: () => 'http://127.0.0.1:1', metrics, log };
  const started = await startLoops({ deps, installation, hosts: [host], ...more });
  loops.push(started);
  return started;
};

const lapse = () => sql`update tasks set lease_expires_at = now() - interval '1 second'`.execute(deps.db);
const typesOf = async (id: string) =>
  (await listEvents(deps, id, { limit: 50, cursor: null })).items.map(({ type }) => type);
const ended = (id: string) =>
  waitFor(async () => {
    const task = await getTask(deps, id);
    return task?.finishedAt ? task : null;
  });
const runs = () => {
  const file = join(subject.home, 'runs');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0;
};

/** It has taken a task, and written down that it sends the start: what it does next comes when it thaws. */
async function frozen() {
  const first = randomUUIDv7();
  const machine = subject.machine();
  const command = ['sh', '-c', `echo run >>${subject.home}/runs; exit 3`];
  const { id } = await createTask(deps, alice, newTask({ command, maxInfraRetries: 1 }));
  await sql`update agents set online = true`.execute(deps.db);
  await dispatchToHosts(deps, { replicaId: first, hostIds: ['h1'], lastUsed: null, attemptToken: (text) => text });
  const attemptId = (await getTask(deps, id))?.attempt?.id ?? '';
  await startAttempt(deps, { kind: 'replica', replicaId: first }, attemptId, null);
  await recordStarting(deps, first, attemptId, { ...(await machine.ping(never)), wrapper: machine.wrapper });
  const spec = { ...startSpec(''), attemptId, taskId: id, number: 1, command };
  return { id, attemptId, thaw: () => machine.start(spec, never) };
}
const never = new AbortController().signal;

it('finds what another replica has started meanwhile, and begins nothing', async () => {
  const { id, attemptId, thaw } = await frozen();
  await replica(subject.machine());
  await lapse();
  expect(await ended(id)).toMatchObject({ status: 'failed', attempt: { id: attemptId }, result: { exitCode: 3 } });
  expect(await thaw()).toMatchObject({ state: 'done' });
  expect(runs()).toBe(1);
  expect(await typesOf(id)).toEqual(['created', 'assigned', 'started', 'reattached', 'failed']);
});

it('finds that the attempt was cancelled meanwhile, and begins nothing', async () => {
  const { id, thaw } = await frozen();
  await cancelTask(deps, alice, id, 'enough');
  await replica(subject.machine());
  await lapse();
  expect(await ended(id)).toMatchObject({ status: 'cancelled' });
  expect(await thaw()).toMatchObject({ state: 'void' });
  expect(runs()).toBe(0);
});

it('finds that its attempt was given up and the task tried anew, and begins nothing', async () => {
  const { id, attemptId, thaw } = await frozen();
  await lapse();
  await sql`update attempts set dead_by = now() - interval '1 second',
    contact = '{"state": "unreachable", "since": "2026-01-01T00:00:00.000000Z"}'`.execute(deps.db);
  await sql`update beat set at = now(), up_since = now() - interval '1 hour'`.execute(deps.db);
  expect(await loseHopeless(deps, [])).toBe(1);
  await sql`delete from avoidances`.execute(deps.db);
  await replica(subject.machine());
  expect(await ended(id)).toMatchObject({ status: 'failed', result: { exitCode: 3 }, attempt: { number: 2 } });
  expect(await thaw()).toMatchObject({ state: 'void' });
  expect(runs()).toBe(1);
  const { items } = await listAttempts(deps, id, { limit: 9, cursor: null });
  expect(items).toMatchObject([{ id: attemptId, outcome: 'lost', proof: 'empty' }, { number: 2 }]);
});
