import { createHash, randomUUID, randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import type { NewTask, Task } from '../../src/domain/task.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { addAgent, alice, failed, newTask, succeeded } from './tasks.ts';
import { type WorkedTask, workOn } from './worked-task.ts';

/** Fills a database with tasks of every kind, each known by its title; nothing in it is wrong. */
export async function makeWorld(deps: Deps): Promise<void> {
  await sweep(deps);
  const completed = await ended(deps, 'completed', {}, async (task) => {
    await task.print('hello\n');
    await task.print('oops\n', 'stderr');
    await task.end(succeeded);
  });
  await ended(deps, 'lost', {}, (task) => lapse(deps, task));
  await ended(deps, 'failed', { maxRetries: 1 }, async (task) => {
    await task.end(failed('exit', 1));
    await sql`update tasks set due_at = now() where id = ${task.task.id}`.execute(deps.db);
    await sweep(deps);
    await task.take();
    await task.end(failed('exit', 2));
  });
  await ended(
    deps,
    'handed back',
    {},
    (task) => task.end({ ...succeeded, outcome: 'released', exitCode: null }),
    false,
  );
  await ended(deps, 'cancelled running', {}, async (task) => {
    await cancelTask(deps, alice, task.task.id, 'not wanted');
    await task.end({ ...succeeded, outcome: 'cancelled', exitCode: null });
  });
  await ended(deps, 'running', { concurrencyKey: 'deploy' }, (task) => task.print('so far'));
  await ended(deps, 'assigned', {}, async () => {}, false);
  await ended(deps, 'long log', {}, longLog);
  await waiting(deps, completed.task);
  await onHost(deps);
  await fromForge(deps);
}

async function ended(
  deps: Deps,
  title: string,
  changes: Partial<NewTask>,
  how: (task: WorkedTask) => Promise<void>,
  start = true,
): Promise<WorkedTask> {
  const task = await workOn(deps, { title, ...changes });
  await task.take();
  if (start) await task.start();
  await how(task);
  return task;
}

/** Its holder is not heard of until two sweeps have seen the lease lapsed. */
async function lapse(deps: Deps, { task }: WorkedTask): Promise<void> {
  await sql`update tasks set lease_expires_at = now() - interval '1 minute' where id = ${task.id}`.execute(deps.db);
  await sweep(deps);
  await sweep(deps);
}

/** More than is kept of it, with a part that its sender left out. */
async function longLog(task: WorkedTask): Promise<void> {
  for (let piece = 0; piece < 5; piece++) await task.print(Buffer.alloc(300_000, `${piece}`));
  task.leaveOut(1_000);
  await task.print('the end');
  await task.end(succeeded);
}

async function waiting(deps: Deps, done: Task): Promise<void> {
  const create = (title: string, changes: Partial<NewTask>) =>
    createTask(deps, alice, newTask({ title, requires: ['nobody'], ...changes }));
  await create('pending', {});
  await create('due later', { runAfter: new Date(Date.now() + 3_600_000).toISOString() });
  await create('to be approved', { requiresApproval: true });
  await create('waits for a key', { concurrencyKey: 'deploy' });
  await create('holds a key', { concurrencyKey: 'release' });
  await create('depends on what is done', { dependsOn: [done.id] });
  const first = await create('depended on', {});
  await create('depends', { dependsOn: [first.id, done.id] });
  const { id } = await create('cancelled', {});
  await cancelTask(deps, alice, id, null);
  await addAgent(deps.db, 'named');
  const named = await create('names an agent', {});
  await assignTask(deps, alice, named.id, { agentId: 'named', executionMode: null });
  const key = { principal: 'alice', key: 'once', bodyHash: 'h' };
  await createTasks(
    deps,
    alice,
    [{ task: newTask({ title: 'asked for once', requires: ['nobody'] }), bodyHash: 'h' }],
    key,
  );
}

async function onHost(deps: Deps): Promise<void> {
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli', labels: ['box'], capacity: 2 });
  await createTask(deps, alice, newTask({ title: 'on a host', requires: ['box'] }));
  const options = { replicaId: randomUUID(), hostIds: ['h1'], lastUsed: null, attemptToken: (id: string) => id };
  await dispatchToHosts(deps, options);
}

async function fromForge(deps: Deps): Promise<void> {
  const deliveryId = randomUUIDv7();
  const { id } = await createTask(deps, alice, newTask({ title: 'from a forge', requires: ['nobody'], deliveryId }));
  const hash = createHash('sha256').update('{}').digest();
  await sql`
    insert into deliveries (id, forge, event_type, headers, body, body_hash, decision, reason, rules, facts, task_ids)
    values (${deliveryId}, 'main', 'issues', '{}', '{}', ${hash}, 'task_created', 'by a rule', '[]', '{}', ${[id]}::uuid[])`.execute(
    deps.db,
  );
  await sql`
    insert into effects (forge, kind, object, template, task_id) values ('main', 'label', '1/2', 'build', ${id})`.execute(
    deps.db,
  );
}
