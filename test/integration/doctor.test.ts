import { type Kysely, type RawBuilder, sql } from 'kysely';
import { beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { BREACH_CODES, type BreachCode } from '../../src/domain/doctor/breach.ts';
import { type OpenDatabase, openDatabase } from '../../src/store/pool.ts';
import type { Database } from '../../src/store/schema.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import { FROM_THE_FIRST, giveStrayKeys } from '../../src/usecases/upkeep/give-stray-keys.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { breachesOf } from '../support/examine.ts';
import { alice, failed, newTask, succeeded } from '../support/tasks.ts';
import { copyDatabase } from '../support/test-server.ts';
import { workOn } from '../support/worked-task.ts';
import { makeWorld } from '../support/world.ts';

let world: string;

beforeAll(async () => {
  const database = await createTestDatabase();
  const deps = await createTestDeps(database);
  await makeWorld(deps);
  await unguard(database.db);
  await deps.stop();
  await database.close();
  world = database.connectionString;
});

/** What the database itself refuses is written all the same from now on. */
async function unguard(db: Kysely<Database>): Promise<void> {
  await sql`alter table events disable trigger events_are_kept`.execute(db);
  await sql`alter table tasks disable trigger tasks_moves`.execute(db);
  await sql`drop index attempts_open`.execute(db);
  const { rows } = await sql<{ name: string; of: string }>`
    select conname as name, conrelid::regclass::text as of from pg_constraint
    where contype = 'c' and conrelid in ('tasks'::regclass, 'attempts'::regclass, 'agents'::regclass)`.execute(db);
  for (const { name, of } of rows) {
    await sql`alter table ${sql.table(of)} drop constraint ${sql.ref(name)}`.execute(db);
  }
}

/** A copy of the world, broken by these statements. */
async function broken(...statements: RawBuilder<unknown>[]): Promise<OpenDatabase> {
  const connectionString = await copyDatabase(inject('testServer'), world);
  const database = openDatabase({ connectionString, max: 1 });
  onTestFinished(() => database.close());
  for (const statement of statements) await statement.execute(database.db);
  return database;
}

const task = (title: string) => sql`(select id from tasks where title = ${title})`;
const attempt = (title: string, number = 1) =>
  sql`(select id from attempts where task_id = ${task(title)} and number = ${number})`;
const set = (title: string, change: RawBuilder<unknown>) => sql`update tasks set ${change} where title = ${title}`;
const setAttempt = (title: string, change: RawBuilder<unknown>) =>
  sql`update attempts set ${change} where task_id = ${task(title)}`;
const json = (value: unknown) => sql`${JSON.stringify(value)}::jsonb`;
const reopened = sql`finished_at = null, outcome = null, failure_class = null, settled = false`;
const longAgo = sql`now() - interval '1 day'`;

/** Somebody who knows how a chain is made changes events and computes all hashes anew. */
const forge = (title: string, changes: Record<number, RawBuilder<unknown>>) => sql`
  with recursive forged as (
    select task_id, n, (text::jsonb || case n ${sql.join(
      Object.entries(changes).map(([n, change]) => sql`when ${Number(n)}::int then ${change}`),
      sql` `,
    )} else '{}' end)::text as text
    from events where task_id = ${task(title)}),
  chained as (
    select f.*, encode(sha256(convert_to(f.text, 'UTF8')), 'hex') as hash from forged f where n = 1
    union all
    select f.*, encode(sha256(convert_to(c.hash || f.text, 'UTF8')), 'hex') from forged f join chained c on f.n = c.n + 1),
  written as (
    update events e set text = c.text, hash = c.hash, type = c.text::jsonb ->> 'type',
      attempt_id = (c.text::jsonb ->> 'attempt_id')::uuid
    from chained c where e.task_id = c.task_id and e.n = c.n)
  update tasks t set event_hash = c.hash from chained c where c.task_id = t.id and c.n = t.event_n`;

const swapped = (title: string, one: number, other: number) => sql`
  update events e set text = o.text, hash = o.hash, type = o.type
  from events o where e.task_id = ${task(title)} and o.task_id = e.task_id
    and (e.n, o.n) in ((${one}::int, ${other}::int), (${other}::int, ${one}::int))`;

const byForce = json({
  type: 'cancelled',
  actor: { kind: 'coordinator', id: 'x' },
  to_status: 'cancelled',
  data: { outcome: 'cancelled' },
});

const BREAKS: [what: string, code: BreachCode, ...RawBuilder<unknown>[]][] = [
  [
    'an edited event',
    'chain_broken',
    sql`update events set text = replace(text, '"completed"', '"failed"')
    where task_id = ${task('completed')} and n = 4`,
  ],
  ['a deleted event', 'chain_broken', sql`delete from events where task_id = ${task('completed')} and n = 2`],
  ['a deleted last event', 'chain_broken', sql`delete from events where task_id = ${task('completed')} and n = 4`],
  ['swapped events', 'chain_broken', swapped('completed', 2, 3)],
  [
    'an event that is filed as another',
    'chain_broken',
    sql`update events set type = 'failed'
    where task_id = ${task('completed')} and n = 4`,
  ],
  ['another end of the chain in the row', 'chain_broken', set('completed', sql`event_hash = 'x'`)],
  [
    'a move by somebody who may not make it',
    'illegal_move',
    forge('completed', { 4: json({ actor: { kind: 'forge', id: 'x' } }) }),
  ],
  [
    'a move from a status that it did not have',
    'illegal_move',
    forge('completed', { 4: json({ from_status: 'assigned' }) }),
  ],
  [
    'an attempt on a host that a person ended without asking it to stop',
    'illegal_move',
    forge('completed', { 2: json({ data: { execution_mode: 'ssh_cli' } }), 4: byForce }),
  ],
  ['an attempt of an agent that a person ended', 'illegal_move', forge('cancelled running', { 5: byForce })],
  ['a task that begins otherwise', 'illegal_move', forge('pending', { 1: json({ type: 'changed' }) })],
  [
    'an end of an attempt that was over',
    'fenced_attempt_wrote',
    forge('failed', { 6: sql`jsonb_build_object('attempt_id', ${attempt('failed')})` }),
  ],
  [
    'a start after a stop was asked',
    'started_after_stop',
    forge('cancelled running', {
      3: json({ type: 'cancel_requested', from_status: null, to_status: null }),
      4: json({ type: 'started', from_status: 'assigned', to_status: 'running', actor: { kind: 'agent', id: 'x' } }),
    }),
  ],
  ['a status that no event tells', 'status_untold', set('cancelled', sql`status = 'failed'`)],
  ['a missing attempt', 'attempts_miscounted', sql`delete from attempts where task_id = ${task('lost')}`],
  ['a start that no event tells', 'attempts_untold', setAttempt('handed back', sql`started_at = now()`)],
  ['another outcome than its event tells', 'attempts_untold', setAttempt('cancelled running', sql`outcome = 'lost'`)],
  ['two open attempts', 'two_open_attempts', setAttempt('failed', reopened)],
  ['an open attempt of a final task', 'open_attempt_left', setAttempt('cancelled running', reopened)],
  ['an open attempt of a pending task', 'open_attempt_left', setAttempt('lost', reopened)],
  ['a task with the agent of another attempt', 'attempt_mismatch', set('running', sql`assigned_agent_id = 'named'`)],
  ['a task with another attempt', 'attempt_mismatch', set('completed', sql`attempt_id = gen_random_uuid()`)],
  ['a failure told of a success', 'result_contradicts', forge('completed', { 4: json({ to_status: 'failed' }) })],
  ['a budget that nobody spent', 'budget_miscounted', set('failed', sql`retries = 0`)],
  ['a lease of a final task', 'lease_misplaced', set('completed', sql`lease_expires_at = now()`)],
  ['a taken task without a lease', 'lease_misplaced', set('running', sql`lease_expires_at = null`)],
  ['a pulled task with a replica as holder', 'lease_misplaced', set('running', sql`holder = gen_random_uuid()`)],
  ['a task that is ready and not stored so', 'ready_wrong', set('pending', sql`ready = false`)],
  [
    'a task that is stored as ready and not approved',
    'ready_wrong',
    set('to be approved', sql`ready = true, ready_at = now()`),
  ],
  [
    'a task that is stored as ready before its time',
    'ready_wrong',
    set('due later', sql`ready = true, ready_at = now()`),
  ],
  ['a ready task without its key', 'ready_wrong', sql`delete from concurrency where key = 'release'`],
  [
    'a key that is held under another name',
    'key_misplaced',
    sql`update concurrency set key = 'other' where key = 'deploy'`,
  ],
  [
    'a key of a task that waits for its time',
    'key_misplaced',
    set('holds a key', sql`due_at = now() + interval '1 hour', run_after = now() + interval '1 hour', ready = false`),
  ],
  [
    'a key of a task that waits for its approval',
    'key_misplaced',
    set('holds a key', sql`requires_approval = true, ready = false`),
  ],
  ['a key of a final task', 'key_misplaced', sql`insert into concurrency values ('old', ${task('completed')})`],
  [
    'a dependency that is counted as unmet and met',
    'dependency_miscounted',
    sql`update task_dependencies set met = true`,
  ],
  [
    'a dependency that is met before its time',
    'dependency_miscounted',
    sql`update task_dependencies set met = true`,
    set('depends', sql`unmet_dependencies = 0, ready = true, ready_at = now()`),
  ],
  ['a dependency that is not kept', 'dependency_miscounted', sql`delete from task_dependencies where not met`],
  [
    'a dependency on nothing',
    'dependency_hanging',
    sql`delete from events where task_id = ${task('depended on')}`,
    sql`delete from tasks where title = 'depended on'`,
  ],
  [
    'a dependant that nobody tells',
    'dependency_untold',
    sql`update task_dependencies set met = false where task_id = ${task('depends on what is done')}`,
    set('depends on what is done', sql`unmet_dependencies = 1, ready = false`),
  ],
  ['a task that was due long ago', 'stuck', set('due later', sql`due_at = ${longAgo}`)],
  ['a lease that lapsed long ago', 'stuck', set('running', sql`lease_expires_at = ${longAgo}`)],
  ['an attempt over SSH that nobody drives', 'stuck', set('on a host', sql`lease_expires_at = ${longAgo}`)],
  [
    'a task that waits for a key that nobody holds',
    'stuck',
    set('waits for a key', sql`concurrency_key = 'x', updated_at = ${longAgo}`),
  ],
  ['a place of an attempt that has ended', 'place_kept', setAttempt('completed', sql`settled = false`)],
  [
    'a task in the lane of others',
    'lane_wrong',
    set('pending', sql`lane = (select lane from tasks where title = 'on a host')`),
  ],
  [
    'a named task in the lane of all',
    'lane_wrong',
    set('names an agent', sql`lane = (select lane from tasks where title = 'pending')`),
  ],
  [
    'a task in the lane of the same labels for a repository',
    'lane_wrong',
    sql`insert into lanes (requires, repository) values ('{nobody}', 'a/b')`,
    set('pending', sql`lane = (select max(id) from lanes)`),
  ],
  [
    'a task that names nobody in the lane of an agent',
    'lane_wrong',
    set('pending', sql`lane = (select lane from tasks where title = 'names an agent')`),
  ],
  ['a mode that its agent does not have', 'lane_wrong', set('names an agent', sql`execution_mode = 'ssh_cli'`)],
  [
    'a named task that is assigned since another time',
    'assignment_wrong',
    set('names an agent', sql`assigned_at = ${longAgo}`),
  ],
  ['a task that was handed back and says when', 'assignment_wrong', set('handed back', sql`assigned_at = now()`)],
  ['a named task that is assigned to nobody', 'assignment_wrong', set('names an agent', sql`assigned_agent_id = null`)],
  [
    'an agent that was there',
    'agent_missing',
    sql`update attempts set agent_id = 'gone' where id = ${attempt('completed')}`,
  ],
  [
    'a deleted agent that is named',
    'deleted_agent_named',
    sql`update agents set deleted_at = now() where id = 'named'`,
  ],
  [
    'a log without its beginning',
    'log_not_whole',
    sql`delete from attempt_logs where attempt_id = ${attempt('long log')} and byte_offset = 0`,
  ],
  ['a log without its end', 'log_not_whole', sql`delete from attempt_logs where attempt_id = ${attempt('running')}`],
  [
    'bytes that are stored twice',
    'log_not_whole',
    sql`insert into attempt_logs (attempt_id, stream, byte_offset, bytes)
    values (${attempt('completed')}, 'stdout', 3, 'x')`,
  ],
  [
    'an edited log',
    'log_hash_wrong',
    sql`update attempt_logs set bytes = 'HELLO\n' where attempt_id = ${attempt('completed')} and stream = 'stdout'`,
  ],
  [
    'an edited end of a long log',
    'log_hash_wrong',
    sql`update attempt_logs set bytes = 'THE END' where bytes = 'the end'`,
  ],
  [
    'a log that was not sealed',
    'log_hash_wrong',
    sql`update attempt_streams set sha256 = null where attempt_id = ${attempt('completed')} and stream = 'stdout'`,
  ],
  ['events of no task', 'row_left_over', sql`delete from tasks where title = 'pending'`],
  [
    'an attempt of no task',
    'row_left_over',
    sql`insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at)
    values (gen_random_uuid(), gen_random_uuid(), 1, 'ssh_cli', 'h1', '', now())`,
  ],
  [
    'a log of no attempt',
    'row_left_over',
    sql`insert into attempt_logs (attempt_id, stream, byte_offset, bytes)
    values (gen_random_uuid(), 'stdout', 0, 'x')`,
  ],
  [
    'a stream of no attempt',
    'row_left_over',
    sql`insert into attempt_streams (attempt_id, stream) values (gen_random_uuid(), 'stdout')`,
  ],
  ['a key of no task', 'row_left_over', sql`insert into concurrency values ('x', gen_random_uuid())`],
  [
    'a dependant that is not there',
    'row_left_over',
    sql`insert into task_dependencies values (gen_random_uuid(), gen_random_uuid())`,
  ],
  ['an end of no task', 'row_left_over', sql`insert into finished_dependencies values (gen_random_uuid())`],
  [
    'a pruned task that is there',
    'pruned_left_over',
    sql`insert into pruned_tasks values (${task('completed')}, 4, 'x')`,
  ],
  [
    'a key that answers no task',
    'idempotency_hanging',
    sql`update idempotency_keys set task_ids = array[gen_random_uuid()]`,
  ],
  ['a delivery without a decision', 'delivery_undecided', sql`update deliveries set reason = ''`],
  ['a delivery that names no task', 'delivery_hanging', sql`update deliveries set task_ids = array[gen_random_uuid()]`],
  ['a delivery that made a task and names none', 'delivery_hanging', sql`update deliveries set task_ids = '{}'`],
  ['an effect of no task', 'effect_hanging', sql`update effects set task_id = gen_random_uuid()`],
  [
    'an act that was edited',
    'audit_broken',
    sql`insert into audit values ('2026-01-01', 1, '{"day":"2026-01-01","n":1}', 'x')`,
  ],
  [
    'an act without those before it',
    'audit_broken',
    sql`insert into audit values ('2026-01-01', 2, '{}', 'x'), ('2026-01-01', 3, '{}', 'x')`,
  ],
  ['more attempts than places', 'capacity_overfilled', sql`update agents set capacity = 0 where id = 'h1'`],
];

it('finds nothing in a healthy database', async () => {
  const { db } = await broken();
  expect(await breachesOf(db)).toEqual([]);
});

it.each(BREAKS)('finds %s: %s', async (_, code, ...statements) => {
  const { db } = await broken(...statements);
  const found = await breachesOf(db);
  expect([...new Set(found.map((breach) => breach.code))]).toEqual([code]);
  expect(found[0]?.whatToDo).toMatch(/\S/);
});

it('has a test for each kind of breach', () => {
  expect([...new Set(BREAKS.map(([, code]) => code))].sort()).toEqual([...BREACH_CODES].sort());
});

it('finds nothing wrong in what is left of pruned tasks', async () => {
  const { db } = await broken();
  const { rows } = await sql<{ pruned: number }>`select prune_tasks(array(select id from tasks)) as pruned`.execute(db);
  expect(rows[0]?.pruned).toBeGreaterThan(3);
  expect(await breachesOf(db)).toEqual([]);
});

it('finds nothing wrong in what is left of pruned logs, nor in an id that is used again', async () => {
  const { db } = await broken(
    sql`delete from attempt_logs where attempt_id = ${attempt('completed')}`,
    sql`update attempt_streams set log_pruned = true where attempt_id = ${attempt('completed')}`,
    sql`insert into pruned_tasks values (${task('pending')}, 1, 'x', now() - interval '1 day')`,
  );
  expect(await breachesOf(db)).toEqual([]);
});

it('raises no alarm of a server that works meanwhile', async () => {
  const database = await createTestDatabase();
  const deps = await createTestDeps(database);
  const work = async () => {
    for (let round = 0; round < 8; round++) {
      const worked = await workOn(deps, { concurrencyKey: `key ${round % 2}` });
      await createTask(deps, alice, newTask({ dependsOn: [worked.task.id], requires: ['nobody'] }));
      await worked.take();
      await worked.start();
      await worked.print('a line\n');
      await worked.end(round % 3 === 0 ? failed('exit', 1) : succeeded);
    }
  };
  let working = true;
  const all = Promise.all([work(), work(), work()]).finally(() => {
    working = false;
  });
  const found = [];
  while (working) {
    found.push(...(await breachesOf(deps.db)));
    // As a server does: a key whose waiter was being changed as it became free.
    await giveStrayKeys(deps, FROM_THE_FIRST);
  }
  await all;
  await deps.stop();
  expect(found).toEqual([]);
});
