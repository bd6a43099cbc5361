import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { somebodyWaits } from '../support/locks.ts';
import { openReplicas, type Replicas } from '../support/replicas.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

const ROUNDS = 40;
const never = new AbortController().signal;
let database: TestDatabase;
let replicas: Replicas;
let agents = 0;

beforeAll(async () => {
  database = await createTestDatabase({ max: 4 });
  replicas = await openReplicas(database);
  // Each claim says from where on the next is to count.
  for (const deps of [replicas.one, replicas.two]) deps.random = () => 0;
});
afterAll(async () => {
  await expectHealthy(database.db);
  await replicas.stop();
});

/** An agent with one place, and several tasks that only it can take. */
async function onePlace(): Promise<string> {
  const id = await addAgent(database.db, `agent-${++agents}`, { labels: [`l${agents}`], capacity: 1 });
  for (let n = 0; n < 3; n++) await createTask(replicas.one, alice, newTask({ requires: [`l${agents}`] }));
  return id;
}
const ask = (deps: Deps, agentId: string, maxTasks: number) =>
  dequeue(deps, agentId, { maxTasks, waitSeconds: 0, requestId: null }, never);

it('an agent with one place that asks two replicas at once gets one task', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const agentId = await onePlace();
    const calls = [replicas.one, replicas.two, replicas.one, replicas.two].map(async (deps, n) => {
      for (let turn = 0; turn < (n * round) % 4; turn++) await new Promise(setImmediate);
      return ask(deps, agentId, 1 + (round % 3));
    });
    expect((await Promise.all(calls)).flat()).toHaveLength(1);
  }
});

/** The row's lock, the count of what is taken, and the take: all in one. */
const naiveClaim = (agentId: string) => sql`
  with agent as materialized (select * from agents where id = ${agentId} for no key update),
  chosen as (
    select t.id from tasks t, agent a
    where t.requires <@ a.labels and t.status = 'pending' and t.ready
      and (select count(*) from tasks o where o.assigned_agent_id = a.id and o.status = 'assigned') < a.capacity
    limit 1
    for update of t skip locked)
  update tasks set status = 'assigned', assigned_agent_id = ${agentId}, ready = false,
    attempt_id = id, lease_expires_at = now(), execution_mode = 'http_pull'
  where id in (select id from chosen)`;

it('counting in the statement that waits for the lock would give out one place twice', async () => {
  const agentId = await onePlace();
  const { db } = database;
  const undone = new Error('undone');
  const taken = async (trx: typeof db) => {
    const { rows } = await sql`select 1 from tasks where assigned_agent_id = ${agentId}`.execute(trx);
    return rows.length;
  };
  // The second claim is undone before it is committed, the first one after, so that nothing wrong is left.
  let second: Promise<unknown> = Promise.resolve();
  await db.transaction().execute(async (first) => {
    await naiveClaim(agentId).execute(first);
    second = db.transaction().execute(async (trx) => {
      await naiveClaim(agentId).execute(trx);
      expect(await taken(trx)).toBe(2);
      throw undone;
    });
    second.catch(() => {});
    await waitFor(() => somebodyWaits(db));
  });
  await expect(second).rejects.toBe(undone);
  await sql`update tasks set status = 'pending', ready = true, assigned_agent_id = null, attempt_id = null,
      lease_expires_at = null, execution_mode = 'undecided'
    where assigned_agent_id = ${agentId}`.execute(db);
});

it('whoever waits for the lock of the agent counts after it was had, and is given nothing', async () => {
  const agentId = await onePlace();
  const [asked] = await database.db.transaction().execute(async (trx) => {
    await sql`select 1 from agents where id = ${agentId} for update`.execute(trx);
    const calls = [ask(replicas.one, agentId, 1), ask(replicas.two, agentId, 1)];
    await waitFor(() => somebodyWaits(database.db));
    return [calls];
  });
  expect((await Promise.all(asked ?? [])).flat()).toHaveLength(1);
});
