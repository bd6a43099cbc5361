import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TaskFilter, TaskSort } from '../../src/domain/task.ts';
import { NEWEST, type Place, type Walked, walk } from '../../src/store/task-walk.ts';
import { countTasks, listTasks } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { fillTasks } from '../support/many-tasks.ts';

const database = await createTestDatabase({ max: 4 });
const { db } = database;

beforeAll(() => fillTasks(db, 4_000, 800));

const allPages = async (filter: TaskFilter, sort: TaskSort, limit: number) => {
  const ids: string[] = [];
  let longest = 0;
  for (let cursor: string | null = null; ; ) {
    const page = await listTasks({ db }, filter, sort, { limit, cursor });
    ids.push(...page.items.map(({ id }) => id));
    longest = Math.max(longest, page.items.length);
    cursor = page.nextCursor;
    if (cursor === null) return { ids, longest };
  }
};

const LONG_AGO = new Date(Date.now() - 60 * 86_400_000).toISOString();
const conditions: [name: string, filter: TaskFilter, condition: string][] = [
  ['nothing', {}, 'true'],
  ['a status', { statuses: ['failed'] }, "status = 'failed'"],
  ['several statuses', { statuses: ['pending', 'cancelled'] }, "status in ('pending', 'cancelled')"],
  ['a status that none has', { statuses: ['running'] }, 'false'],
  ['a repository', { repository: 'alice/repository-3' }, "repository = 'main:alice/repository-3'"],
  ['one of another forge', { repository: 'other:alice/repository-3' }, 'false'],
  ['a template', { template: 'template-2' }, "template = 'template-2'"],
  ['an agent', { agentId: 'agent-10' }, "assigned_agent_id = 'agent-10'"],
  [
    'an agent and statuses',
    { agentId: 'agent-0', statuses: ['failed', 'running'] },
    "assigned_agent_id = 'agent-0' and status = 'failed'",
  ],
  ['a label', { label: 'linux' }, 'true'],
  ['words of the title', { query: 'NUMBER 399' }, "title like '%number 399%'"],
  ['a mode', { executionModes: ['undecided'] }, "execution_mode = 'undecided'"],
  [
    'a time and a template',
    { template: 'template-1', createdBefore: LONG_AGO },
    `template = 'template-1' and created_at < '${LONG_AGO}'`,
  ],
];
const orders: [sort: TaskSort, order: string][] = [
  ['created', 'created_at desc, id desc'],
  ['rank', "status <> 'pending', case when status = 'pending' then rank end, created_at desc, id desc"],
];

describe.each(orders)('a list in the order %s', (sort, order) => {
  it.each(conditions)('has each task once, by %s', async (_, filter, condition) => {
    const { rows } = await sql<{ id: string }>`
      select id from tasks where ${sql.raw(condition)} order by ${sql.raw(order)}`.execute(db);
    const { ids, longest } = await allPages(filter, sort, 173);
    expect(ids).toEqual(rows.map(({ id }) => id));
    expect(longest).toBeLessThanOrEqual(173);
  });
});

it('what is rare is found whole and in order, however few are looked at for a page', async () => {
  const rare = sql<boolean>`tasks.title like '%7'`;
  const ways = ['pending', 'failed', 'completed'].map(
    (status) => sql<boolean>`tasks.status = ${status} and (tasks.status <> 'completed' or tasks.title like '%99%')`,
  );
  const ids: string[] = [];
  for (let after: Place | null = null; ; ) {
    const walked: Walked = await walk(db, { order: NEWEST, ways, fits: rare, after }, 5, { few: 3, many: 7 });
    ids.push(...walked.found.map(({ id }) => id));
    after = walked.reached;
    if (after === null) break;
  }
  const { rows } = await sql<{ id: string }>`
    select id from tasks where ${rare} and (status in ('pending', 'failed') or status = 'completed' and title like '%99%')
    order by created_at desc, id desc`.execute(db);
  expect(ids).toEqual(rows.map(({ id }) => id));
});

it('a page ends a list without another empty one', async () => {
  const page = await listTasks({ db }, { statuses: ['cancelled'] }, 'created', { limit: 4, cursor: null });
  expect([page.items.length, page.nextCursor]).toEqual([4, null]);
});

it('where the last of those that wait ends a page, the next begins with the others', async () => {
  const page = await listTasks({ db }, {}, 'rank', { limit: 200, cursor: null });
  expect(page.items.every(({ status }) => status === 'pending')).toBe(true);
  const { ids } = await allPages({}, 'rank', 200);
  expect(ids).toHaveLength(4_800);
});

it('the head of a list counts each status', async () => {
  const { rows } = await sql<{ status: string; tasks: number }>`
    select status, count(*)::int as tasks from tasks group by status`.execute(db);
  expect(await countTasks({ db })).toEqual(new Map(rows.map(({ status, tasks }) => [status, tasks])));
});

it('what is taken is found by its lease, over SSH also without one', async () => {
  await sql`
    update tasks set status = 'assigned', ready = false, execution_mode = 'http_pull', assigned_agent_id = 'taker',
      attempt_id = gen_random_uuid(), lease_expires_at = now() where title = 'Waiting 1'`.execute(db);
  await sql`
    update tasks set status = 'assigned', ready = false, execution_mode = 'ssh_cli', assigned_agent_id = 'taker',
      attempt_id = gen_random_uuid() where title = 'Waiting 2'`.execute(db);
  const titles = async (filter: TaskFilter) =>
    (await listTasks({ db }, filter, 'created', { limit: 9, cursor: null })).items.map(({ title }) => title);
  expect(await titles({ statuses: ['assigned'] })).toEqual(['Waiting 1', 'Waiting 2']);
  expect(await titles({ agentId: 'taker' })).toEqual(['Waiting 1', 'Waiting 2']);
  expect((await countTasks({ db })).get('assigned')).toBe(2);
});
