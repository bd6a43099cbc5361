import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { expect, inject, onTestFinished, test } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { startServerProcess } from '../support/serve.ts';
import { cloneDatabase } from '../support/test-server.ts';

/** The statements of the handbook, for a role of another name. */
const handbook = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
const grants = (/```sql\n(create role[\s\S]*?)```/.exec(handbook)?.[1] ?? '').replaceAll('taskejo_runs', 'test_runs');

test('a server whose role owns nothing does all its work, and can not touch the history', async () => {
  const owners = await cloneDatabase(inject('testServer'), false);
  const owner = openDatabase({ connectionString: owners, max: 1 });
  onTestFinished(owner.close);
  const statements = grants.split(';').filter((one) => one.trim() !== '');
  expect(statements.length).toBeGreaterThan(3);
  await sql`drop role if exists test_runs`.execute(owner.db);
  for (const statement of statements) await sql.raw(statement).execute(owner.db);
  const runs = owners.replace(/\/\/[^@/]*@/, '//test_runs@');
  onTestFinished(async () => {
    await sql`drop owned by test_runs`.execute(owner.db);
    await sql`drop role test_runs`.execute(owner.db);
  });

  const server = await startServerProcess({ DATABASE_URL: runs, TASKEJO_RETENTION__TASKS_DAYS: '0' });
  const token = await server.api<{ token: string; agent_id: string }>('POST', '/api/v1/tokens', {
    name: 'x',
    scope: 'agent',
    agent_name: 'x',
  });
  const { id } = await server.api<Task>('POST', '/api/v1/tasks', { title: 'x', command: ['true'] });
  const taken = await server.api<{ tasks: { attempt: { id: string } }[] }>(
    'POST',
    '/api/v1/tasks/dequeue',
    {},
    token.token,
  );
  const attempt = `/api/v1/attempts/${taken.tasks[0]?.attempt.id}`;
  await server.api('POST', `${attempt}/complete`, { outcome: 'completed' }, token.token);
  expect(await server.api('GET', `/api/v1/tasks/${id}`)).toMatchObject({ status: 'completed' });
  await server.stop();

  const running = openDatabase({ connectionString: runs, max: 1 });
  onTestFinished(running.close);
  for (const forbidden of [
    "set taskejo.pruning = 'on'; delete from events",
    "set taskejo.pruning = 'on'; delete from audit",
    "update events set text = ''",
    'update pruned_tasks set events = 0',
    'alter table events disable trigger events_are_kept',
    'alter table audit disable trigger audit_is_kept',
    'drop table events',
    'create table mine ()',
  ]) {
    await expect(sql.raw(forbidden).execute(running.db), forbidden).rejects.toThrow(/permission denied|must be owner/);
  }
  // Whole tasks that are over it may prune, by the function that leaves a trace.
  await sql`select prune_tasks(array[${id}]::uuid[])`.execute(running.db);
  const { rows } = await sql`select task_id from pruned_tasks`.execute(owner.db);
  expect(rows).toEqual([{ task_id: id }]);
});
