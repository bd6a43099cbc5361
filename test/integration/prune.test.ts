import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Retention } from '../../src/domain/settings.ts';
import { pruneTasks } from '../../src/store/prune.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { readLog } from '../../src/usecases/log/read-log.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { getAttempt, getTask } from '../../src/usecases/task/read-tasks.ts';
import { prune } from '../../src/usecases/upkeep/prune.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTestDeps, testSettings } from '../support/deps.ts';
import { fewAtOnce } from '../support/few-at-once.ts';
import { alice, newTask, succeeded } from '../support/tasks.ts';
import { workOn } from '../support/worked-task.ts';

let database: TestDatabase;
let deps: Deps & { stop(): Promise<void> };

beforeEach(async () => {
  database = await createTestDatabase({ max: 8 });
  deps = await createTestDeps(database);
});
afterEach(async () => {
  await deps.stop();
  await database.close();
});

const never = new AbortController().signal;
const pruneBy = (retention: Partial<Retention>, signal = never) =>
  prune({ ...deps, settings: { ...testSettings, retention: { ...testSettings.retention, ...retention } } }, signal);

const cancelled = async (): Promise<string> => {
  const { id } = await createTask(deps, alice, newTask());
  await cancelTask(deps, alice, id, 'not wanted');
  return id;
};
const age = (id: string, days: number) =>
  sql`update tasks set created_at = created_at - make_interval(days => ${days}),
    finished_at = finished_at - make_interval(days => ${days}) where id = ${id}`.execute(deps.db);
const rowsOf = async (table: string, column = 'task_id') => {
  const { rows } = await sql<{ id: string }>`
    select ${sql.ref(column)} as id from ${sql.table(table)} order by 1`.execute(deps.db);
  return rows.map(({ id }) => id);
};

describe('tasks', () => {
  it('that ended before the term are deleted whole, and only the end of their chain is kept', async () => {
    const worked = await workOn(deps);
    await worked.take();
    await worked.start();
    await worked.print('a log');
    await worked.end(succeeded);
    const young = await cancelled();
    const { rows } = await sql<{ event_n: number; event_hash: string }>`
      select event_n, event_hash from tasks where id = ${worked.task.id}`.execute(deps.db);
    await age(worked.task.id, 91);
    expect(await pruneBy({})).toMatchObject({ tasks: 1 });
    expect(await getTask(deps, worked.task.id)).toBeNull();
    expect(await getTask(deps, young)).not.toBeNull();
    for (const table of ['attempts', 'attempt_streams', 'attempt_logs', 'avoidances']) {
      expect([table, await rowsOf(table, table === 'attempts' ? 'task_id' : sqlOwner(table))]).toEqual([table, []]);
    }
    expect([...new Set(await rowsOf('events'))]).toEqual([young]);
    const kept = await sql`select task_id, events, last_hash from pruned_tasks`.execute(deps.db);
    expect(kept.rows).toEqual([{ task_id: worked.task.id, events: rows[0]?.event_n, last_hash: rows[0]?.event_hash }]);
  });

  const sqlOwner = (table: string) => (table === 'avoidances' ? 'task_id' : 'attempt_id');

  it('that have not ended stay, however old they are', async () => {
    const { id } = await createTask(deps, alice, newTask());
    await age(id, 1_000);
    expect(await pruneBy({ tasksDays: 0 })).toMatchObject({ tasks: 0 });
  });

  it('stay while a machine may still run them, or a task waits for them', async () => {
    const [unsettled, awaited, told] = [await cancelled(), await cancelled(), await cancelled()];
    await sql`
      insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at, finished_at, outcome)
      values (${randomUUIDv7()}, ${unsettled}, 1, 'ssh_cli', 'host', '', now(), now(), 'lost')`.execute(deps.db);
    await sql`insert into task_dependencies (task_id, depends_on) values (${randomUUIDv7()}, ${awaited})`.execute(
      deps.db,
    );
    await sql`insert into finished_dependencies (task_id) values (${told})`.execute(deps.db);
    const free = await cancelled();
    expect(await pruneTasks(deps.db, [unsettled, awaited, told, free])).toBe(1);
    expect(await rowsOf('tasks', 'id')).toEqual([unsettled, awaited, told].toSorted());
  });

  it('that must stay do not keep those after them', async () => {
    const blocked = await fewAtOnce(105, cancelled);
    await sql`
      insert into finished_dependencies (task_id) select unnest(${blocked}::uuid[])`.execute(deps.db);
    await cancelled();
    expect(await pruneBy({ tasksDays: 0 })).toMatchObject({ tasks: 1 });
  });

  it('that somebody holds are left, as those that begin to be waited for meanwhile', async () => {
    const [held, begun] = [await cancelled(), await cancelled()];
    const holder = await deps.db.startTransaction().execute();
    await sql`select 1 from tasks where id = ${held} for share`.execute(holder);
    expect(await pruneTasks(deps.db, [held, begun])).toBe(1);
    await holder.rollback().execute();
    expect(await rowsOf('tasks', 'id')).toEqual([held]);
  });

  it('are deleted once though several replicas prune at once', async () => {
    await fewAtOnce(60, cancelled);
    const pruned = await Promise.all(Array.from({ length: 4 }, () => pruneBy({ tasksDays: 0 })));
    const more = await pruneBy({ tasksDays: 0 });
    expect([...pruned, more].reduce((sum, { tasks }) => sum + tasks, 0)).toBe(60);
    expect(await rowsOf('tasks', 'id')).toEqual([]);
    expect(await rowsOf('pruned_tasks')).toHaveLength(60);
  });

  it('may have ids that were used again', async () => {
    const id = randomUUIDv7();
    for (let times = 1; times <= 2; times++) {
      await createTask(deps, alice, newTask({ id }));
      await cancelTask(deps, alice, id, 'not wanted');
      expect(await pruneBy({ tasksDays: 0 })).toMatchObject({ tasks: 1 });
    }
    expect(await rowsOf('pruned_tasks')).toEqual([id]);
  });
});

describe('the history', () => {
  it.each([
    ['changed', sql`update events set text = '{}'`],
    ['deleted', sql`delete from events`],
    ['emptied', sql`truncate events`],
  ])('can not be %s', async (_, statement) => {
    await cancelled();
    await expect(statement.execute(deps.db)).rejects.toThrow(/events are kept/);
    await pruneTasks(deps.db, await rowsOf('tasks', 'id'));
    await cancelled();
    await expect(statement.execute(deps.db)).rejects.toThrow(/events are kept/);
  });

  it('can not be deleted in the transaction that pruned others either', async () => {
    const [pruned] = [await cancelled(), await cancelled()];
    const trx = deps.db.transaction().execute(async (db) => {
      await pruneTasks(db, [pruned]);
      await sql`delete from events`.execute(db);
    });
    await expect(trx).rejects.toThrow(/events are kept/);
  });
});

describe('logs', () => {
  it('of attempts that ended before the term are deleted; sizes and hashes are kept, and reading says so', async () => {
    const worked = await workOn(deps);
    await worked.take();
    await worked.start();
    await worked.print('twelve bytes');
    await worked.end(succeeded);
    const before = await getAttempt(deps, worked.attemptId());
    expect(await pruneBy({ logsDays: 1 })).toMatchObject({ logs: 0 });
    expect(await pruneBy({ logsDays: 0 })).toMatchObject({ logs: 1, tasks: 0 });
    expect(await rowsOf('attempt_logs', 'attempt_id')).toEqual([]);
    expect(await getAttempt(deps, worked.attemptId())).toEqual(before);
    const log = await readLog(deps, worked.attemptId(), 'stdout');
    expect(log).toMatchObject({ totalBytes: 12, leftOutBytes: 12, complete: true });
    expect(Buffer.from(log?.bytes ?? []).toString()).toBe('\n[12 bytes left out]\n');
  });

  it('of attempts that go on stay', async () => {
    const worked = await workOn(deps);
    await worked.take();
    await worked.start();
    await worked.print('still at it');
    expect(await pruneBy({ logsDays: 0 })).toMatchObject({ logs: 0 });
  });
});

describe('what makes a repeat harmless', () => {
  const deliver = (id: string, days: number, duplicateOf: string | null = null) =>
    sql`
    insert into deliveries (id, forge, event_type, received_at, headers, body, body_hash, decision, reason, rules, facts,
      task_ids, duplicate_of)
    values (${id}, 'main', 'push', now() - make_interval(days => ${days}), '{}', 'body', ${Buffer.from(duplicateOf ?? id)},
      'ignored', '', '[]', '{}', '{}', ${duplicateOf})`.execute(deps.db);

  it('deliveries go after their term, the first of the same bytes only after the last', async () => {
    const [old, first, again, young] = [randomUUIDv7(), randomUUIDv7(), randomUUIDv7(), randomUUIDv7()];
    await deliver(old, 31);
    await deliver(first, 60);
    await deliver(again, 1, first);
    await deliver(young, 29);
    await sql`insert into effects values ('main', 'comment', '1', 'build', ${randomUUIDv7()})`.execute(deps.db);
    expect(await pruneBy({})).toMatchObject({ deliveries: 1 });
    expect(await rowsOf('deliveries', 'id')).toEqual([first, again, young].toSorted());
    expect(await rowsOf('effects')).toHaveLength(1);
  });

  it('idempotency keys go after theirs', async () => {
    const use = (key: string, hours: number) => sql`
      insert into idempotency_keys values ('someone', ${key}, '', '{}', now() - make_interval(hours => ${hours}))`;
    await use('old', 25).execute(deps.db);
    await use('young', 23).execute(deps.db);
    expect(await pruneBy({})).toMatchObject({ idempotencyKeys: 1 });
    expect(await rowsOf('idempotency_keys', 'key')).toEqual(['young']);
  });
});

it('pruning ends between two batches when it is told to stop', async () => {
  await fewAtOnce(101, cancelled);
  const stopping = new AbortController();
  const pruning = pruneBy({ tasksDays: 0 }, stopping.signal);
  stopping.abort();
  expect((await pruning).tasks).toBeLessThan(101);
});
