import { afterAll, describe, expect, it } from 'vitest';
import { keepLateResult } from '../../src/store/late-results.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { getAttempt, getTask } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { recordStatements } from '../support/recorded-statements.ts';
import { alice, failed, succeeded } from '../support/tasks.ts';
import { type WorkedTask, workOn } from '../support/worked-task.ts';

const database = await createTestDatabase();
const deps = await createTestDeps(database);
afterAll(() => deps.stop());

async function running(): Promise<WorkedTask> {
  const worked = await workOn(deps);
  await worked.take();
  await worked.start();
  return worked;
}
const released = { ...succeeded, outcome: 'released' as const };

describe('an attempt whose agent gives no words', () => {
  it.each([
    ['a signal', { ...failed('signal', 137), signal: 'SIGKILL' }, 'the command was ended by SIGKILL'],
    ['a signal that it can not name', failed('signal', 130), 'the command was ended by a signal'],
    ['its timeout', failed('timeout', 143), 'the command ran longer than its timeout'],
    ['its exit code', failed('exit', 7), 'the command ended with exit code 7'],
    ['its exit, with a code that nobody knows', failed('exit'), 'the command failed'],
  ])('says itself that it was ended by %s', async (_, result, words) => {
    const worked = await running();
    await worked.end(result);
    const task = await getTask(deps, worked.task.id);
    expect(task).toMatchObject({ status: 'failed', result: { error: words } });
  });
});

describe('an attempt of which a process was reported', () => {
  it('can not be handed back any more, and goes on', async () => {
    const worked = await running();
    await expect(worked.end(released)).rejects.toMatchObject({ code: 'status_not_allowed' });
    expect(await getTask(deps, worked.task.id)).toMatchObject({ status: 'running', result: null });
    await worked.end(succeeded);
    expect(await getTask(deps, worked.task.id)).toMatchObject({ status: 'completed' });
  });
});

it('an attempt that was started is not taken any more for one to which nothing has happened', async () => {
  const worked = await workOn(deps);
  await worked.take();
  expect(deps.fresh.find(worked.attemptId())).toMatchObject({ id: worked.task.id });
  await worked.start();
  expect(deps.fresh.find(worked.attemptId())).toBeUndefined();
});

it('an output is compared with the schema of its task before anything is locked, as that may take long', async () => {
  const told: string[] = [];
  const { connectionString } = database;
  const { db, pool, close } = openDatabase({ connectionString, byKeys: true });
  recordStatements(pool, (line) => told.push(line));
  // On another replica than the one that gave it out.
  const fresh = { remember: () => {}, find: () => undefined, forget: () => {} };
  const schemas = {
    ...deps.schemas,
    misfit: (...asked: Parameters<typeof deps.schemas.misfit>) => {
      told.push('the output is judged');
      return deps.schemas.misfit(...asked);
    },
  };
  const worked = await workOn({ ...deps, hot: db, fresh, schemas }, { outputSchema: { required: ['answer'] } });
  await worked.take();
  await worked.start();
  told.length = 0;
  await worked.end({ ...succeeded, output: { answer: 42 } });
  await close();
  expect(await getTask(deps, worked.task.id)).toMatchObject({ status: 'completed' });
  const [judged, locked] = ['the output is judged', 'for update is sent'].map((what) =>
    told.findIndex((line) => line.includes(what)),
  );
  expect(locked).toBeGreaterThan(judged ?? 0);
  expect(judged).toBeGreaterThanOrEqual(0);
});

describe('what still runs of an attempt', () => {
  const left = [{ pid: 4711, command: 'unkillable' }];
  const attemptOf = async ({ attemptId }: WorkedTask) => getAttempt(deps, attemptId());

  it.each([
    ['nothing, by an agent that looked', { ...succeeded, leftProcesses: [] }, 'empty', null],
    ['what could not be ended', { ...failed('timeout'), leftProcesses: left }, 'left', left],
    ['what could not be ended, though it succeeded', { ...succeeded, leftProcesses: left }, 'left', left],
    ['unknown, of one that is lost', { ...succeeded, outcome: 'lost' as const, exitCode: null }, 'unknown', null],
    ['nobody looked', succeeded, null, null],
  ])('is kept with it: %s', async (_, result, proof, leftProcesses) => {
    for (const begun of [true, false]) {
      const worked = await workOn(deps);
      await worked.take();
      if (begun) await worked.start();
      await worked.end(result);
      const unstarted = !begun && proof === 'unknown';
      expect(await attemptOf(worked)).toMatchObject({ proof: unstarted ? null : proof, leftProcesses });
    }
  });
});

describe('a task that has ended', () => {
  it('can not be cancelled any more', async () => {
    const worked = await running();
    await worked.end(succeeded);
    await expect(cancelTask(deps, alice, worked.task.id, null)).rejects.toMatchObject({ code: 'status_not_allowed' });
    expect(await getTask(deps, worked.task.id)).toMatchObject({ status: 'completed', stopReason: null });
  });

  it('by cancelling may be cancelled again, and its first reason stays', async () => {
    const { task } = await workOn(deps);
    await cancelTask(deps, alice, task.id, 'the first');
    expect(await cancelTask(deps, alice, task.id, 'the second')).toMatchObject({ status: 'cancelled' });
    const rows = await database.db.selectFrom('tasks').select('stop_detail').where('id', '=', task.id).execute();
    expect(rows).toEqual([{ stop_detail: 'the first' }]);
  });

  it('is not found by a cancel when it never was', async () => {
    const nobody = crypto.randomUUID();
    await expect(cancelTask(deps, alice, nobody, null)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('what is said of an attempt after its end', () => {
  const keep = (attemptId: string, output: unknown, hash: string) =>
    deps.db
      .transaction()
      .execute((trx) => keepLateResult(trx, attemptId, { ...failed('exit', 1), output: output as never }, hash));
  const kept = async (attemptId: string) => {
    const row = await database.db.selectFrom('attempts').selectAll().where('id', '=', attemptId).executeTakeFirst();
    return row?.late_results as unknown as Record<string, unknown>[];
  };

  it('is kept three times, each once, and without its output where that is too large', async () => {
    const worked = await running();
    await worked.end(succeeded);
    const id = worked.attemptId();
    expect(await keep(id, { text: 'x'.repeat(70_000) }, 'large')).toBe(true);
    expect(await keep(id, { text: 'small' }, 'small')).toBe(true);
    expect(await keep(id, { text: 'small' }, 'small')).toBe(false);
    expect(await keep(id, null, 'third')).toBe(true);
    expect(await keep(id, null, 'fourth')).toBe(false);
    const [large, small, third] = await kept(id);
    expect(large).toEqual({ outcome: 'failed', hash: 'large' });
    expect(small).toMatchObject({ outcome: 'failed', exitCode: 1, output: { text: 'small' }, hash: 'small' });
    expect(third).toMatchObject({ hash: 'third' });
  });

  it('is not kept while it is open', async () => {
    const worked = await running();
    expect(await keep(worked.attemptId(), null, 'early')).toBe(false);
    expect(await kept(worked.attemptId())).toEqual([]);
  });
});
