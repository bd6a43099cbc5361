import { sql } from 'kysely';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { createWakeups, type Hint, type Wakeups } from '../../src/store/wakeups.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

let database: TestDatabase;
const open: Wakeups[] = [];

beforeAll(async () => {
  database = await createTestDatabase({ max: 2 });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((wakeups) => wakeups.stop()));
});

/** A replica's wake-ups, with what it heard and what it warned of. */
async function replica() {
  const heard: Hint[] = [];
  const warned: string[] = [];
  const log = { warn: (_: object, message: string) => void warned.push(message) };
  const wakeups = await createWakeups({ connectionString: database.connectionString }, log);
  open.push(wakeups);
  wakeups.subscribe((hint) => heard.push(hint));
  return { wakeups, heard, warned };
}

it('a hint reaches the own process at once and other replicas soon, each once', async () => {
  const one = await replica();
  const other = await replica();
  one.wakeups.emit({ kind: 'task', taskId: 't1' }, { kind: 'ready' });
  one.wakeups.emit({ kind: 'ready' });
  expect(one.heard).toEqual([{ kind: 'task', taskId: 't1' }, { kind: 'ready' }, { kind: 'ready' }]);
  await waitFor(() => other.heard.length >= 2);
  expect(other.heard).toEqual([{ kind: 'task', taskId: 't1' }, { kind: 'ready' }]);
  expect(one.heard).toHaveLength(3);
});

it('very many hints at once become general ones', async () => {
  const one = await replica();
  const other = await replica();
  one.wakeups.emit(...Array.from({ length: 500 }, (_, n) => ({ kind: 'log', attemptId: `a${n}` }) as const));
  await waitFor(() => other.heard.length > 0);
  expect(other.heard).toEqual([{ kind: 'ready' }, { kind: 'agents' }]);
});

it('tasks of one lane that are told of together are counted for other replicas', async () => {
  const one = await replica();
  const other = await replica();
  one.wakeups.emit({ kind: 'ready', lane: 7 }, { kind: 'ready', lane: 8 }, { kind: 'ready', lane: 7 });
  await waitFor(() => other.heard.length > 0);
  expect(other.heard).toEqual([
    { kind: 'ready', lane: 7, tasks: 2 },
    { kind: 'ready', lane: 8, tasks: 1 },
  ]);
});

it('of tasks of one lane the lowest rank is told, if it is known of all', async () => {
  const one = await replica();
  const other = await replica();
  const ranks = [5, 3, 4].map((rank) => ({ kind: 'ready', lane: 7, rank }) as const);
  one.wakeups.emit(...ranks, { kind: 'ready', lane: 8, rank: 1 }, { kind: 'ready', lane: 8 });
  await waitFor(() => other.heard.length > 0);
  expect(other.heard).toEqual([
    { kind: 'ready', lane: 7, tasks: 3, rank: 3 },
    { kind: 'ready', lane: 8, tasks: 2 },
  ]);
});

it('who no longer listens hears nothing', async () => {
  const { wakeups } = await replica();
  const heard: Hint[] = [];
  wakeups.subscribe((hint) => heard.push(hint))();
  wakeups.emit({ kind: 'ready' });
  expect(heard).toEqual([]);
});

it('a lost connection is made again, and then everybody looks', async () => {
  const { heard, warned } = await replica();
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'taskejo wakeups' and datname = current_database()`.execute(database.db);
  await waitFor(() => heard.length >= 3);
  expect(heard).toEqual([{ kind: 'ready' }, { kind: 'agents' }, { kind: 'missed' }]);
  expect(warned).toEqual(['wake-ups lost their connection; looking once a second meanwhile']);
});

it('a notification that nobody of ours has sent only makes everybody look', async () => {
  const { heard } = await replica();
  await sql`select pg_notify('taskejo', 'not of ours')`.execute(database.db);
  await waitFor(() => heard.length >= 2);
  expect(heard).toEqual([{ kind: 'ready' }, { kind: 'agents' }]);
});
