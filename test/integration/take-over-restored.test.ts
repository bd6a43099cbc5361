import { randomUUIDv7 } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { getTask, listAttempts } from '../../src/usecases/task/read-tasks.ts';
import { takeOverRestored } from '../../src/usecases/upkeep/take-over-restored.ts';
import { taskejo } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { approved, holderOf } from '../support/gates.ts';
import { take } from '../support/taken.ts';
import { addAgent, alice, newTask, succeeded } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  deps = await createTestDeps(database);
  await deps.db
    .insertInto('installation')
    .values({ id: randomUUIDv7(), secret: Buffer.from('x') })
    .execute();
});
afterEach(() => deps.stop());

const generation = async () =>
  (await deps.db.selectFrom('installation').select('generation').executeTakeFirstOrThrow()).generation;
const create = async (changes: Parameters<typeof newTask>[0] = {}) =>
  (await createTask(deps, alice, newTask(changes))).id;
const attemptOf = async (id: string) => (await listAttempts(deps, id, { limit: 9, cursor: null })).items[0];
/** What anybody could take now. */
const takeable = async () => {
  const agent = await addAgent(deps.db, `asks-${randomUUIDv7()}`, { labels: ['any'], capacity: 99 });
  const asked = { maxTasks: 50, waitSeconds: 0, requestId: null };
  return (await dequeue(deps, agent, asked, new AbortController().signal)).map(({ task }) => task.id);
};

it('open attempts end as lost, and whatever has not ended waits for a person', async () => {
  const ended = await create();
  await (await take(deps, ended)).end(succeeded);
  const pulled = await create({ repeatable: false });
  const { attemptId } = await take(deps, pulled);
  await startAttempt(
    deps,
    { kind: 'agent', agentId: (await attemptOf(pulled))?.agentId ?? '', attemptId: null },
    attemptId,
    null,
  );
  await addAgent(deps.db, 'host', { mode: 'ssh_cli', labels: ['ssh'] });
  const overSsh = await create({ requires: ['ssh'] });
  const how = { replicaId: randomUUIDv7(), hostIds: ['host'], lastUsed: null, attemptToken: (id: string) => id };
  await dispatchToHosts(deps, how);
  const waiting = await create();
  const wasApproved = await create({ requiresApproval: true });
  await approved(deps, wasApproved);
  const [holds, waits] = [await create({ concurrencyKey: 'k' }), await create({ concurrencyKey: 'k' })];
  const dependant = await create({ dependsOn: [pulled], onDependencyFailure: 'run' });
  expect(await holderOf(deps.db, 'k')).toBe(holds);

  const done = await takeOverRestored(deps, alice);
  expect(done).toEqual({ generation: 2, lost: 2, waiting: 6 });
  expect(await generation()).toBe(2);
  expect(await getTask(deps, ended)).toMatchObject({ status: 'completed' });
  expect(await getTask(deps, pulled)).toMatchObject({ status: 'failed', result: { outcome: 'lost' } });
  expect(await getTask(deps, overSsh)).toMatchObject({ status: 'pending', requiresApproval: true, approvedAt: null });
  const attempts = await deps.db.selectFrom('attempts').select(['task_id', 'settled']).execute();
  expect(attempts.filter(({ settled }) => !settled).map(({ task_id }) => task_id)).toEqual([overSsh]);
  expect(await takeable()).toEqual([]);
  expect(await holderOf(deps.db, 'k')).toBeNull();
  await expectHealthy(deps.db);

  for (const id of [waiting, wasApproved, waits]) await approved(deps, id);
  expect((await takeable()).sort()).toEqual([waiting, wasApproved, waits].sort());
  expect(await holderOf(deps.db, 'k')).toBe(waits);
  expect(await getTask(deps, dependant)).toMatchObject({ status: 'pending' });
  await expectHealthy(deps.db);
});

it('many tasks are gone through in steps, and nothing is done where a server was heard of', async () => {
  const wanted = Array.from({ length: 1100 }, () => ({ task: newTask(), bodyHash: null }));
  const { tasks } = await createTasks(deps, alice, wanted, null);
  const replica = { boot_id: 'b', pid_namespace: 'n', pid: 1, process_started_at: '1', id: randomUUIDv7() };
  await deps.db
    .insertInto('replicas')
    .values({ ...replica, seen_at: new Date().toISOString() })
    .execute();
  await expect(takeOverRestored(deps, alice)).rejects.toMatchObject({ code: 'unavailable' });
  expect(await generation()).toBe(1);
  const env = { DATABASE_URL: database.connectionString };
  const refused = await taskejo(['restored', '--yes'], { env });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('stop it') });
  await deps.db.deleteFrom('replicas').execute();
  const unsure = await taskejo(['restored'], { env, input: 'perhaps\n' });
  expect(unsure).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing was changed') });
  const done = await taskejo(['restored', '--json'], { env, input: 'yes\n' });
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout)).toEqual({ generation: 2, lost: 0, waiting: tasks.length });
  expect(await takeable()).toEqual([]);
});
