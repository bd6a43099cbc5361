import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { findFreeAttempts } from '../../src/usecases/hosts/adopt-attempts.ts';
import { decideModes } from '../../src/usecases/hosts/decide-modes.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { attemptsHeldBy, loseHopeless } from '../../src/usecases/hosts/host-attempts.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { FROM_THE_FIRST, giveStrayKeys } from '../../src/usecases/upkeep/give-stray-keys.ts';
import { keepReplica } from '../../src/usecases/upkeep/keep-replica.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { letTimePass } from '../support/gates.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';

const TASKS = 10_000;
let deps: Deps & { stop(): Promise<void> };
const replica = { id: randomUUID(), bootId: 'b', pidNamespace: 'p', pid: 1, startedAt: '1' };

type Statistics = 'of now' | 'of before these came' | 'none';

async function setUp(statistics: Statistics): Promise<void> {
  deps = await createTestDeps(await createTestDatabase({ max: 1 }));
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli', labels: ['x'], capacity: 1 });
  await addAgent(deps.db, 'a1', { labels: ['y'] });
  await keepReplica(deps, replica, ['h1']);
  await createTask(deps, alice, newTask({ requires: ['x'] }));
  await dispatch();
  await createTask(deps, alice, newTask({ requires: ['x'] }));
  const built = { title: 'Build it', mode: 'undecided' };
  await copies(built);
  await sql`update tasks set status = 'cancelled', ready = false, finished_at = now()
    where status = 'pending' and title <> 'Build it'`.execute(deps.db);
  if (statistics === 'of before these came') await sql`vacuum analyze`.execute(deps.db);
  await copies(built);
  await copies({ ...built, mode: 'http_pull' });
  // What nobody has the labels for, and that has only just become ready.
  await createTask(deps, alice, newTask({ requires: ['z'], title: 'For nobody' }));
  await copies({ title: 'For nobody', mode: 'undecided' });
  await createTask(deps, alice, newTask({ requires: ['z'], title: 'Later', runAfter: '2099-01-01T00:00:00Z' }));
  await copies({ title: 'Later', mode: 'undecided' });
  await createTask(deps, alice, newTask({ requires: ['z'], title: 'Holds the key', concurrencyKey: 'k' }));
  await createTask(deps, alice, newTask({ requires: ['z'], title: 'Wants the key', concurrencyKey: 'k' }));
  await copies({ title: 'Wants the key', mode: 'undecided' });
  if (statistics === 'of now') await sql`vacuum analyze`.execute(deps.db);
}

/** Many tasks like the pending one of this title. */
const copies = ({ title, mode }: { title: string; mode: string }) =>
  sql`
    insert into tasks
    select c.* from tasks t, generate_series(1, ${TASKS}::int) n, jsonb_populate_record(t, jsonb_build_object(
      'id', gen_random_uuid(), 'title', 'copy', 'requested_mode', ${mode}::text, 'execution_mode', ${mode}::text,
      'rank', t.rank + n)) c
    where t.status = 'pending' and t.title = ${title}`.execute(deps.db);

const dispatch = () =>
  dispatchToHosts(deps, { replicaId: randomUUID(), hostIds: ['h1'], lastUsed: null, attemptToken: (text) => text });

/** Rows of tasks that were read, by any plan. */
async function rowsRead(): Promise<number> {
  await sql`select pg_stat_force_next_flush()`.execute(deps.db);
  await sql`select pg_stat_clear_snapshot()`.execute(deps.db);
  const { rows } = await sql<{ read: number }>`
    select seq_tup_read + coalesce(idx_tup_fetch, 0) as read from pg_stat_user_tables where relname = 'tasks'`.execute(
    deps.db,
  );
  return rows[0]?.read ?? 0;
}

async function endDependency(): Promise<void> {
  const { id } = await createTask(deps, alice, newTask({ requires: ['z'] }));
  await createTask(deps, alice, newTask({ requires: ['z'], dependsOn: [id], onDependencyFailure: 'run' }));
  await cancelTask(deps, alice, id, null);
  await tellDependants(deps);
}

async function sweepWhatIsDue(): Promise<void> {
  const task = await createTask(deps, alice, newTask({ concurrencyKey: 'k', runAfter: '2099-01-01T00:00:00Z' }));
  await letTimePass(deps.db, [task.id]);
  await sweep(deps);
}

/** Ends the task that holds the key, which another gets. */
async function endHolder(): Promise<void> {
  const { rows } = await sql<{ id: string }>`select task_id as id from concurrency`.execute(deps.db);
  const holder = rows[0]?.id;
  if (holder === undefined) throw new Error('nobody holds the key');
  await cancelTask(deps, alice, holder, null);
}

// Autovacuum is off here: what it does for statistics may come late, or never where fewer tasks came than it waits for.
describe.each<Statistics>(['of now', 'of before these came', 'none'])('with statistics: %s', (statistics) => {
  beforeAll(() => setUp(statistics));
  afterAll(() => deps.stop());

  it.each<[string, () => Promise<unknown>]>([
    ['the sweep', () => sweep(deps)],
    ['a dispatch to a busy host', dispatch],
    ['the telling of dependants', () => tellDependants(deps)],
    ['the look for stray keys', () => giveStrayKeys(deps, FROM_THE_FIRST)],
    ['the look for modes', () => decideModes(deps, new Date().toISOString())],
    ['the look for attempts to adopt', () => findFreeAttempts(deps, replica, ['h1'], () => false)],
    ['the look for attempts held', () => attemptsHeldBy(deps, replica.id)],
    ['the look for hopeless attempts', () => loseHopeless(deps, [{ hostId: 'h1', seconds: 600 }])],
    ['the sweep that finds a task due which then wants its key', sweepWhatIsDue],
    ['the end of a task that another depends on', endDependency],
    ['the end of a task that holds a key', endHolder],
    ['the word of a replica', () => keepReplica(deps, replica, ['h1'])],
    [
      'an agent that asks in vain',
      () => dequeue(deps, 'a1', { maxTasks: 1, waitSeconds: 0, requestId: null }, new AbortController().signal),
    ],
  ])('%s reads few tasks, however many wait or are done', async (_, act) => {
    await act();
    const before = await rowsRead();
    await act();
    expect((await rowsRead()) - before).toBeLessThan(200);
  });
});
