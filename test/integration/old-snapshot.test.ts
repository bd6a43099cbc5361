import { sql } from 'kysely';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { createSnapshotLoop } from '../../src/loops/watch-snapshots.ts';
import { openDatabase } from '../../src/store/pool.ts';
import type { Hint } from '../../src/store/wakeups.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import { claimForAgents } from '../../src/usecases/dequeue/claim-for-agents.ts';
import { createFronts } from '../../src/usecases/dequeue/fronts.ts';
import { patchTask } from '../../src/usecases/task/patch-task.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

/* While somebody holds a snapshot, all that was taken since stays in the indexes that claims read. */

const LOWEST = Number.MIN_SAFE_INTEGER;
const HIGHEST = Number.MAX_SAFE_INTEGER;

/** What a replica needs, on one connection: what that has read is known when it is asked. */
async function oneConnection() {
  const database = await createTestDatabase({ max: 2 });
  const { db, close } = openDatabase({ connectionString: database.connectionString, max: 1, byKeys: true });
  const deps = await createTestDeps({ ...database, db, hot: db });
  onTestFinished(async () => {
    await expectHealthy(database.db);
    await deps.stop();
    await close();
  });
  const take = async (agentId: string, maxTasks = 1) => {
    const [claimed] = await claimForAgents(deps, [{ agentId, maxTasks, requestId: null }]);
    return claimed?.taken ?? [];
  };
  const create = async (priority = 3) => (await createTask(deps, alice, newTask({ priority }))).id;
  const complete = async (agentId: string, taken: Awaited<ReturnType<typeof take>>) => {
    for (const { attempt } of taken) {
      const holder = { kind: 'agent', agentId, attemptId: null } as const;
      await completeAttempt(deps, holder, attempt.id, succeeded, { hash: attempt.id });
    }
  };
  /** Index entries and rows that were stepped over or read. */
  const stepped = async (work: () => Promise<unknown>) => {
    const soFar = async () => {
      await sql`select pg_stat_force_next_flush()`.execute(db);
      const { rows } = await sql<{ steps: number }>`
        select sum(pg_stat_get_tuples_returned(oid))::int as steps from pg_class
        where oid in ('tasks'::regclass, 'attempts'::regclass)
          or oid in (select indexrelid from pg_index where indrelid in ('tasks'::regclass, 'attempts'::regclass))`.execute(
        db,
      );
      return rows[0]?.steps ?? 0;
    };
    const before = await soFar();
    await work();
    return (await soFar()) - before;
  };
  return { database, deps, take, create, complete, stepped };
}

/** In a session of its own: ours aren't left idle in a transaction for long. Answers how to let go of it. */
async function holdSnapshot({ connectionString }: TestDatabase): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query('begin isolation level repeatable read');
  await client.query('select 1');
  let held = true;
  const letGo = async () => {
    if (held) await client.end();
    held = false;
  };
  onTestFinished(letGo);
  return letGo;
}

it('creating, claiming and completing step over nothing that was taken while somebody holds a snapshot', async () => {
  const MANY = 300;
  const { database, deps, take, create, complete, stepped } = await oneConnection();
  await addAgent(database.db, 'a', { capacity: MANY });
  await createTasks(
    deps,
    alice,
    Array.from({ length: MANY / 3 }, () => ({ task: newTask(), bodyHash: null })),
    null,
  );
  await holdSnapshot(database);
  await complete('a', await take('a', MANY));
  for (let n = 0; n < 2; n++) {
    await createTasks(
      deps,
      alice,
      Array.from({ length: MANY / 3 }, () => ({ task: newTask(), bodyHash: null })),
      null,
    );
    await complete('a', await take('a', MANY));
  }
  const cycle = async () => {
    await create();
    const taken = await take('a');
    expect(taken).toHaveLength(1);
    await complete('a', taken);
  };
  expect(await stepped(cycle)).toBeGreaterThan(MANY);
  await deps.fronts.look();
  deps.random = () => 0;
  expect(await take('a')).toEqual([]);
  deps.random = () => 0.5;
  await deps.fronts.look();
  expect(await stepped(cycle)).toBeLessThan(60);
});

it('the best task comes first also where it is known from where on tasks wait, however they came there', async () => {
  const { database, deps, take, create, complete } = await oneConnection();
  await addAgent(database.db, 'a', { capacity: 100 });
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const waiting = async () => {
    const { rows } = await sql<{ id: string }>`
      select id from tasks where status = 'pending' order by rank, id`.execute(database.db);
    return rows.map(({ id }) => id);
  };
  for (let n = 0; n < 300; n++) {
    const ids = await waiting();
    const one = ids[random(ids.length)];
    const acts = [
      () => create(random(10)),
      () => deps.fronts.look(),
      () => one && patchTask(deps, alice, one, { priority: random(10) }, 'any'),
    ];
    await (acts[random(5)] ?? (async () => complete('a', await taking(ids[0]))))();
  }
  async function taking(best: string | undefined) {
    const taken = await take('a');
    expect(taken.map(({ task }) => task.id)).toEqual(best === undefined ? [] : [best]);
    return taken;
  }
});

it('where tasks begin is looked for as long as somebody holds an old snapshot', async () => {
  const { database, deps, create } = await oneConnection();
  const { lane } = await deps.db
    .selectFrom('tasks')
    .select('lane')
    .where('id', '=', await create())
    .executeTakeFirstOrThrow();
  const known = () => deps.fronts.of('http_pull', [lane])[0] !== LOWEST;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const loop = createSnapshotLoop(deps, () => {}, log, 1);
  onTestFinished(loop.stop);
  const letGo = await holdSnapshot(database);
  await waitFor(known);
  await letGo();
  await waitFor(() => !known());
});

it('where tasks begin in a lane is known after a look, and follows what is told since', async () => {
  const { deps, create } = await oneConnection();
  let tell: (hint: Hint) => void = () => {};
  const subscribe = (listener: (hint: Hint) => void) => {
    tell = listener;
    return () => {};
  };
  const said: Hint[] = [];
  const fronts = createFronts({ db: deps.db, wakeups: { subscribe, emit: (...hints) => void said.push(...hints) } });
  const id = await create();
  const { lane, rank } = await deps.db
    .selectFrom('tasks')
    .select(['lane', 'rank'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const empty = lane + 1000;
  const of = () => fronts.of('http_pull', [lane, empty]);
  const look = async (...meanwhile: Hint[]) => {
    const looking = fronts.look();
    meanwhile.forEach(tell);
    await looking;
  };

  expect(of()).toEqual([LOWEST, LOWEST]);
  await look(); // nobody has asked since somebody looks
  expect(of()).toEqual([LOWEST, LOWEST]);
  await look();
  expect(of()).toEqual([rank, HIGHEST]);
  expect(fronts.of('ssh_cli', [lane])).toEqual([LOWEST]);
  tell({ kind: 'ready', lane, rank: rank + 1 });
  tell({ kind: 'ready', lane: empty, rank: 5 });
  expect(of()).toEqual([rank, 5]);
  tell({ kind: 'ready', lane, rank: rank - 1 });
  expect(of()).toEqual([rank - 1, 5]);
  await look({ kind: 'ready', lane: empty, rank: 9 }, { kind: 'ready', lane: empty, rank: 8 });
  expect(of()).toEqual([rank, 8]);
  expect(fronts.of('ssh_cli', [lane])).toEqual([rank]);
  for (const hint of [{ kind: 'ready' }, { kind: 'ready', lane }, { kind: 'missed' }] as const) {
    tell(hint);
    expect(of()).toEqual([LOWEST, LOWEST]);
    await look(hint);
    expect(of()).toEqual([LOWEST, LOWEST]);
    await look();
    expect(of()).toEqual([rank, HIGHEST]);
  }
  tell({ kind: 'agents' });
  expect(of()).toEqual([rank, HIGHEST]);
  expect(said).toEqual([]);
  const untold = await deps.db
    .updateTable('tasks')
    .set({ rank: rank - 2 })
    .where('id', '=', id)
    .returning('rank')
    .execute();
  await look();
  expect(of()).toEqual([rank - 2, HIGHEST]);
  expect(said).toEqual(untold.map((row) => ({ kind: 'ready', lane, rank: row.rank })));
  await deps.db.updateTable('tasks').set({ rank }).where('id', '=', id).execute();
  await look();
  expect(said).toHaveLength(1);
  fronts.forget();
  expect(of()).toEqual([LOWEST, LOWEST]);
  await look();
  expect(of()).toEqual([LOWEST, LOWEST]);
  await look();
  expect(of()).toEqual([rank, HIGHEST]);
  await sql`alter table tasks rename to away`.execute(deps.db);
  await expect(look()).rejects.toThrow('tasks');
  expect(of()).toEqual([LOWEST, LOWEST]);
  await sql`alter table away rename to tasks`.execute(deps.db);
});
