import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { adoptAttempts, registerReplica } from '../../src/usecases/adopt-attempts.ts';
import { createTask } from '../../src/usecases/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/dispatch.ts';
import { loseHopeless, recordContact, recordStarting } from '../../src/usecases/host-attempts.ts';
import { getAgent } from '../../src/usecases/read-agents.ts';
import { getTask } from '../../src/usecases/read-tasks.ts';
import { startAttempt } from '../../src/usecases/start-attempt.ts';
import { sweep } from '../../src/usecases/sweep.ts';
import { syncHosts } from '../../src/usecases/sync-hosts.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const replica = () => ({ id: randomUUID(), bootId: 'b', pidNamespace: 'p', pid: 1, startedAt: '1' });
const first = replica();
const second = replica();
const store = { storeId: 's', bootId: 'b' };

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 4 }));
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli' });
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
  await deps.db.destroy();
});

/** A task on its way to the host: the first replica has taken it, and says so before it sends anything. */
async function taken(changes: Partial<NewTask> = {}) {
  const { id } = await createTask(deps, alice, newTask(changes));
  const options = { replicaId: first.id, hostIds: ['h1'], lastUsed: null, attemptToken: (text: string) => text };
  const { dispatched } = await dispatchToHosts(deps, options);
  return { id, attemptId: dispatched[0]?.attemptId ?? '' };
}
const start = (attemptId: string) => startAttempt(deps, { kind: 'replica', replicaId: first.id }, attemptId, null);
const lapse = () => sql`update tasks set lease_expires_at = now() - interval '1 second'`.execute(deps.db);
const unreachable = () => sql`update agents set online = false`.execute(deps.db);
const lose = () => loseHopeless(deps, [{ hostId: 'h1', seconds: 600 }]);

it.each([
  ['taken', false],
  ['about to be started', true],
])(
  'an attempt that was only %s when its host went away is tried again, also if it must not run twice',
  async (_, asked) => {
    const { id, attemptId } = await taken({ repeatable: false });
    if (asked) await start(attemptId);
    await lapse();
    await unreachable();
    expect(await lose()).toBe(1);
    expect(await getTask(deps, id)).toMatchObject({ status: 'pending', infraRetries: 1, executionMode: 'undecided' });
    expect(await getAgent(deps, 'h1')).toMatchObject({ running: 0 });
  },
);

it('an attempt whose host is gone from the file before anything was sent is tried again', async () => {
  const { id } = await taken({ repeatable: false });
  await syncHosts(deps, []);
  await lapse();
  expect(await lose()).toBe(1);
  expect(await getTask(deps, id)).toMatchObject({ status: 'pending' });
});

it('an attempt that may run on a host out of reach keeps its task and its place', async () => {
  const { id, attemptId } = await taken();
  await start(attemptId);
  await recordStarting(deps, first.id, attemptId, store);
  await lapse();
  await unreachable();
  expect(await lose()).toBe(0);
  expect(await getTask(deps, id)).toMatchObject({ status: 'running' });
});

it('an attempt that its host has surely ended is lost, and keeps its place until the host was asked', async () => {
  const { id, attemptId } = await taken({ repeatable: false });
  await start(attemptId);
  await recordStarting(deps, first.id, attemptId, store);
  await lapse();
  await unreachable();
  await sql`update attempts set dead_by = now() - interval '1 second'`.execute(deps.db);
  expect(await lose()).toBe(1);
  expect(await getTask(deps, id)).toMatchObject({ status: 'failed', result: { outcome: 'lost' } });
  expect(await getAgent(deps, 'h1')).toMatchObject({ running: 1 });
});

it('a replica whose lease has lapsed may not send a start before it has adopted the attempt again', async () => {
  const { attemptId } = await taken();
  await start(attemptId);
  await lapse();
  await expect(recordStarting(deps, first.id, attemptId, store)).rejects.toThrow('not driven by this replica');
  expect(await adoptAttempts(deps, first, ['h1'], () => false)).toEqual([attemptId]);
  await recordStarting(deps, first.id, attemptId, store);
});

it('a replica that lost an attempt to another changes nothing of it', async () => {
  const { id, attemptId } = await taken();
  await start(attemptId);
  await lapse();
  await adoptAttempts(deps, second, ['h1'], () => false);
  await recordContact(deps, second.id, attemptId, 'ok');
  await recordContact(deps, first.id, attemptId, 'unreachable');
  await expect(recordStarting(deps, first.id, attemptId, store)).rejects.toThrow('not driven by this replica');
  expect(await getTask(deps, id)).toMatchObject({ attempt: { contact: { state: 'ok' } } });
});

it('of replicas that adopt at once one drives the attempt', async () => {
  await registerReplica(deps, first);
  const { attemptId } = await taken();
  const others = Array.from({ length: 4 }, replica);
  const adopted = await Promise.all(others.map((one) => adoptAttempts(deps, one, ['h1'], ({ pid }) => pid === 1)));
  expect(adopted.flat()).toEqual([attemptId]);
});

it('an attempt that nobody could watch is never told as a timeout', async () => {
  const { id, attemptId } = await taken({ timeoutSeconds: 10 });
  await start(attemptId);
  await recordStarting(deps, first.id, attemptId, store);
  await sql`update attempts set started_at = started_at - interval '1 hour'`.execute(deps.db);
  await sweep(deps);
  await sql`update beat set up_since = now() - interval '1 hour'`.execute(deps.db);
  await sql`update tasks set updated_at = now() - interval '1 hour'`.execute(deps.db);
  await lapse();
  await sweep(deps);
  expect(await getTask(deps, id)).toMatchObject({ stopReason: null });
  await adoptAttempts(deps, second, ['h1'], () => false);
  await sweep(deps);
  expect(await getTask(deps, id)).toMatchObject({ stopReason: null });
  await sql`update tasks set updated_at = now() - interval '1 hour'`.execute(deps.db);
  await sweep(deps);
  expect(await getTask(deps, id)).toMatchObject({ stopReason: 'timeout' });
});
