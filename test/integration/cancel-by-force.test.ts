import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { getAgent } from '../../src/usecases/agents/read-agents.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import {
  noteAsked,
  recordContact,
  recordStarting,
  settle,
  unsettledOn,
} from '../../src/usecases/hosts/host-attempts.ts';
import { cancelByForce } from '../../src/usecases/task/cancel-by-force.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { getAttempt, getTask, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { retryTask } from '../../src/usecases/task/retry-task.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, newTask, succeeded } from '../support/tasks.ts';

const replicaId = randomUUID();
const replica = { kind: 'replica', replicaId } as const;
let deps: Deps & { stop(): Promise<void> };

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 8 }));
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli', capacity: 1 });
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
});

/** A task that this replica took for the host; `sent`: its start is on its way, so it may run. */
async function onHost(sent: boolean, changes: Partial<NewTask> = {}) {
  const { id } = await createTask(deps, alice, newTask(changes));
  const options = {
    replicaId,
    hostIds: ['h1'],
    lastUsed: null,
    attemptToken: (text: string) => text,
  };
  for (const one of await unsettledOn(deps, 'h1')) await noteAsked(deps, one.id);
  const { dispatched } = await dispatchToHosts(deps, options);
  const attemptId = dispatched[0]?.attemptId ?? '';
  await startAttempt(deps, replica, attemptId, null);
  if (sent) await recordStarting(deps, replicaId, attemptId, { storeId: 's', bootId: 'b' });
  return { id, attemptId };
}
const contact = (attemptId: string, state: 'ok' | 'unreachable') => recordContact(deps, replicaId, attemptId, state);
const force = (id: string, reason: string | null = null) => cancelByForce(deps, alice, id, reason);
const told = async (id: string) =>
  (await listEvents(deps, id, { limit: 50, cursor: null })).items.map(({ type, data, actor }) => ({
    type,
    data,
    actor,
  }));

it('ends an attempt on a host out of reach at once, unproven, and its place is free when the host was asked', async () => {
  const { id, attemptId } = await onHost(true);
  await contact(attemptId, 'unreachable');
  expect(await force(id, 'the host burns')).toMatchObject({
    status: 'cancelled',
    stopReason: 'cancel',
    stopDetail: 'the host burns',
    result: { outcome: 'cancelled', error: expect.stringContaining('not proven') },
  });
  expect(await getAttempt(deps, attemptId)).toMatchObject({ outcome: 'cancelled', proof: 'unknown' });
  expect((await told(id)).slice(-2)).toMatchObject([
    { type: 'cancel_requested', actor: alice, data: { reason: 'the host burns', force: true } },
    { type: 'cancelled', actor: alice },
  ]);
  expect(await unsettledOn(deps, 'h1')).toMatchObject([{ id: attemptId }]);
  expect(await getAgent(deps, 'h1')).toMatchObject({ running: 1 });
  await settle(deps, attemptId, []);
  expect(await getAgent(deps, 'h1')).toMatchObject({ running: 0 });
  expect(await getAttempt(deps, attemptId)).toMatchObject({ proof: 'empty', leftProcesses: null });
});

it('says afterwards what the host could not end', async () => {
  const { id, attemptId } = await onHost(true);
  await contact(attemptId, 'unreachable');
  await force(id);
  const left = [{ pid: 4711, command: 'sleep' }];
  await settle(deps, attemptId, left);
  expect(await getAttempt(deps, attemptId)).toMatchObject({ proof: 'left', leftProcesses: left });
  expect(await getAgent(deps, 'h1')).toMatchObject({ running: 0 });
});

it('asked again answers the same', async () => {
  const { id, attemptId } = await onHost(true);
  await contact(attemptId, 'unreachable');
  const first = await force(id);
  expect(await force(id, 'again')).toEqual(first);
  expect(await cancelTask(deps, alice, id, 'again')).toEqual(first);
});

it('after a cancel that the host could not be told ends what was asked before', async () => {
  const { id, attemptId } = await onHost(true);
  await cancelTask(deps, alice, id, 'not needed');
  await contact(attemptId, 'unreachable');
  expect(await force(id, 'now')).toMatchObject({ status: 'cancelled', stopDetail: 'not needed' });
  expect((await told(id)).filter(({ type }) => type === 'cancel_requested')).toHaveLength(1);
});

it('of an attempt whose start was never sent leaves nothing to be asked', async () => {
  const { id, attemptId } = await onHost(false);
  await contact(attemptId, 'unreachable');
  expect(await force(id)).toMatchObject({ status: 'cancelled' });
  expect(await getAttempt(deps, attemptId)).toMatchObject({ proof: null });
  expect(await unsettledOn(deps, 'h1')).toEqual([]);
});

it('is refused while the host answers, and before it was asked about the attempt', async () => {
  const { id, attemptId } = await onHost(true);
  await expect(force(id)).rejects.toMatchObject({ code: 'status_not_allowed' });
  await contact(attemptId, 'unreachable');
  await contact(attemptId, 'ok');
  await expect(force(id)).rejects.toMatchObject({ code: 'status_not_allowed' });
  await completeAttempt(deps, replica, attemptId, succeeded, { hash: 'said' });
  await expect(force(id)).rejects.toMatchObject({ code: 'status_not_allowed' });
});

it('fences the replica that drives the attempt, and lets go of what others wait for', async () => {
  const { id, attemptId } = await onHost(true, { concurrencyKey: 'one' });
  const next = await createTask(deps, alice, newTask({ concurrencyKey: 'one' }));
  await contact(attemptId, 'unreachable');
  await force(id);
  const late = completeAttempt(deps, replica, attemptId, succeeded, { hash: 'said' });
  await expect(late).rejects.toMatchObject({ code: 'lease_lost' });
  expect(await getTask(deps, next.id)).toMatchObject({ ready: true });
  expect(await retryTask(deps, alice, id)).toMatchObject({ status: 'pending', ready: false });
});

it('against the last word of its driver exactly one ending stands', async () => {
  await sql`update agents set capacity = 1000`.execute(deps.db);
  for (let round = 0; round < 20; round++) {
    const { id, attemptId } = await onHost(true);
    await contact(attemptId, 'unreachable');
    const calls = [
      () => force(id).then(() => 'cancelled'),
      () => completeAttempt(deps, replica, attemptId, succeeded, { hash: 'said' }).then(() => 'completed'),
    ];
    const ordered = round % 2 === 0 ? calls : calls.toReversed();
    const settled = await Promise.allSettled(ordered.map((call) => call()));
    const won = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(won).toEqual([(await getTask(deps, id))?.status]);
  }
});
