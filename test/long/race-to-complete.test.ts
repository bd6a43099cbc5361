import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { completeAttempt, completeAttempts } from '../../src/usecases/attempt/complete-attempt.ts';
import { heartbeat } from '../../src/usecases/attempt/heartbeat.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { writeLog } from '../../src/usecases/log/write-log.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { prepareInstallation } from '../../src/usecases/upkeep/prepare-installation.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { deadlocks } from '../support/locks.ts';
import { openReplicas, type Replicas } from '../support/replicas.ts';
import { addAgent, alice, newTask, succeeded } from '../support/tasks.ts';

const ROUNDS = 20;
const holder = { kind: 'agent', agentId: 'a', attemptId: null } as const;
let database: TestDatabase;
let replicas: Replicas;

beforeAll(async () => {
  database = await createTestDatabase({ max: 4 });
  // The pause between two sweeps is no outage.
  replicas = await openReplicas(database, { leases: { seconds: 3600, renewSeconds: 1200, sweepSeconds: 1200 } });
  await addAgent(database.db, 'a', { capacity: 1000 });
  await prepareInstallation(replicas.one, null);
  await sweep(replicas.one);
});
afterAll(async () => {
  await replicas.stop();
  expect(await deadlocks(database.db)).toBe(0);
  expect(await unsealed()).toEqual([]);
  await expectHealthy(database.db);
});

type Given = { id: string; attemptId: string };
/** Tasks given out by the first replica, which remembers them; the second has to read what it is to end. */
async function give(count: number, changes: Partial<NewTask> = {}): Promise<Given[]> {
  for (let n = 0; n < count; n++) await createTask(replicas.one, alice, newTask(changes));
  const asked = { maxTasks: count, waitSeconds: 0, requestId: null };
  const taken = await dequeue(replicas.one, 'a', asked, new AbortController().signal);
  return taken.map(({ task, attempt }) => ({ id: task.id, attemptId: attempt.id }));
}
const complete = (deps: Deps, { attemptId }: Given, hash = 'said') =>
  completeAttempt(deps, holder, attemptId, succeeded, { hash });

async function events({ id }: Given): Promise<string[]> {
  const rows = await database.db.selectFrom('events').select('type').where('task_id', '=', id).orderBy('n').execute();
  return rows.map(({ type }) => type);
}

/** Streams of ended attempts of which nobody wrote down what was kept. */
async function unsealed(): Promise<unknown[]> {
  const { rows } = await sql`
    select a.id from attempts a join attempt_streams s on s.attempt_id = a.id
    where a.finished_at is not null and s.total_bytes > 0 and s.sha256 is null`.execute(database.db);
  return rows;
}

type Call = (given: Given) => Promise<unknown>;
/** `ok`, or the code with which a call was refused. */
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error: { code: string }) => (/^[a-z_]+$/.test(error.code) ? error.code : Promise.reject(error)),
  );

/** One task completed while something else happens to it, many times, now the one and now the other first. */
async function race(deps: Deps, other: Call, judge: (given: Given, said: string, others: string) => Promise<void>) {
  for (let round = 0; round < ROUNDS; round++) {
    const [given] = (await give(1)) as [Given];
    const calls: Call[] = [(one) => complete(deps, one), other];
    const answers: Promise<string>[] = [];
    for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
      answers[at] = outcome((calls[at] as Call)(given));
      for (let turn = 0; turn < round % 5; turn++) await new Promise(setImmediate);
    }
    const [said, others] = await Promise.all(answers);
    await judge(given, said as string, others as string);
  }
}

describe.each([
  ['the replica that gave it out', () => replicas.one, () => replicas.two],
  ['another replica', () => replicas.two, () => replicas.one],
] as const)('a task that is completed on %s', (_, deps, elsewhere) => {
  it('while its log is written has the whole log sealed, or refuses what came after', async () => {
    const print = ({ attemptId }: Given) =>
      writeLog(elsewhere(), holder, attemptId, 'stdout', { offset: 0, bytes: Buffer.from('hello'), gap: false });
    await race(deps(), print, async ({ attemptId }, said, printed) => {
      expect(said).toBe('ok');
      const kept = database.db.selectFrom('attempt_streams').selectAll().where('attempt_id', '=', attemptId);
      expect(await kept.execute()).toMatchObject(printed === 'ok' ? [{ stored_bytes: 5 }] : []);
      if (printed !== 'ok') expect(printed).toBe('attempt_finished');
    });
    expect(await unsealed()).toEqual([]);
  });

  it('while another comes to depend on it lets that one run', async () => {
    const dependants: string[] = [];
    const depend = async ({ id: first }: Given) => {
      const id = randomUUIDv7();
      dependants.push(id);
      await createTask(elsewhere(), alice, newTask({ id, dependsOn: [first], requires: ['nobody'] }));
    };
    await race(deps(), depend, async (_given, said, created) => expect([said, created]).toEqual(['ok', 'ok']));
    while ((await tellDependants(elsewhere())) > 0);
    const waiting = database.db
      .selectFrom('tasks')
      .select('id')
      .where('id', 'in', dependants)
      .where('ready', '=', false);
    expect(dependants).toHaveLength(ROUNDS);
    expect(await waiting.execute()).toEqual([]);
  });

  it('while it is cancelled is completed, and the request to stop comes before that or is refused', async () => {
    const cancel = ({ id }: Given) => cancelTask(elsewhere(), alice, id, null);
    await race(deps(), cancel, async (given, said, cancelled) => {
      expect(said).toBe('ok');
      expect(await events(given)).toEqual(
        cancelled === 'ok'
          ? ['created', 'assigned', 'cancel_requested', 'completed']
          : ['created', 'assigned', 'completed'],
      );
      if (cancelled !== 'ok') expect(cancelled).toBe('status_not_allowed');
    });
  });

  it('while the sweep ends its lapsed lease has one ending', async () => {
    const expire = async ({ id }: Given) => {
      await sql`update tasks set lease_expires_at = now() - interval '1 hour'
        where id = ${id} and status = 'assigned'`.execute(database.db);
      await sweep(elsewhere());
    };
    await race(deps(), expire, async (given, said) => {
      const told = await events(given);
      if (said === 'ok') return expect(told).toEqual(['created', 'assigned', 'completed']);
      expect(said).toBe('lease_lost');
      expect(told.slice(0, 3)).toEqual(['created', 'assigned', 'lease_lost']);
      expect((await getTask(deps(), given.id))?.status).toBe('pending');
      await cancelTask(deps(), alice, given.id, null);
    });
  });

  it('while its lease is renewed is completed once', async () => {
    const renew = ({ attemptId }: Given) => renewAttempt(elsewhere(), holder, attemptId, null);
    await race(deps(), renew, async (given, said, renewed) => {
      expect(said).toBe('ok');
      expect(['ok', 'attempt_finished']).toContain(renewed);
      expect(await events(given)).toEqual(['created', 'assigned', 'completed']);
    });
  });

  it.each([
    ['the same words', 'said', ['ok ok']],
    ['other words', 'also said', ['ok attempt_finished', 'attempt_finished ok']],
  ])('while it is completed elsewhere with %s has one ending', async (_words, hash, allowed) => {
    await race(
      deps(),
      (given) => complete(elsewhere(), given, hash),
      async (given, said, again) => {
        expect(allowed).toContain(`${said} ${again}`);
        expect(await events(given)).toEqual(['created', 'assigned', 'completed']);
      },
    );
  });
});

it.each([
  ['renewed by a heartbeat', (ids: string[]) => heartbeat(replicas.two, 'a', beatOf(ids))],
  ['completed again', (ids: string[]) => completeAll(replicas.one, ids)],
  ['completed on another replica', (ids: string[]) => completeAll(replicas.two, ids)],
])(
  'tasks that are completed together in one order and %s in another keep nobody waiting for each other',
  async (_, other) => {
    for (let round = 0; round < 10; round++) {
      const ids = (await give(60)).map(({ attemptId }) => attemptId);
      const answers = await Promise.all([completeAll(replicas.one, ids.toReversed()), other(ids)]);
      expect(answers[0]).toHaveLength(60);
      for (const answer of answers[0]) expect(answer).toMatchObject({ taskStatus: 'completed' });
    }
  },
);

const beatOf = (attemptIds: string[]) => ({ attemptIds, draining: null, metrics: null });
const completeAll = (deps: Deps, ids: string[]) =>
  completeAttempts(
    deps,
    ids.map((attemptId) => ({ holder, attemptId, result: succeeded, hash: 'said' })),
  );
