import { type KyselyPlugin, sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { countNewEnds } from '../../src/usecases/figures/count-ends.ts';
import { createStatistics } from '../../src/usecases/figures/statistics.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { openTransactionsEnd } from '../support/open-transactions.ts';
import { failed, succeeded } from '../support/tasks.ts';
import { workOn } from '../support/worked-task.ts';

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.stop());

const stats = async (query = '') => {
  await openTransactionsEnd(app.deps.db);
  return app.call('GET', `/api/v1/stats${query}`);
};

type End = { waited: number; took: number; cost?: number; result?: typeof succeeded };
/** A task that ended now, as if it had waited and taken so many seconds. */
async function ended(changes: Partial<NewTask>, { waited, took, cost, result = succeeded }: End): Promise<string> {
  const worked = await workOn(app.deps, changes);
  await worked.take();
  await worked.start();
  const usage = cost === undefined ? null : { cost_usd: cost, input_tokens: 100, output_tokens: 10 };
  await worked.end({ ...result, usage });
  await sql`
    update attempts set started_at = finished_at - make_interval(secs => ${took}),
      leased_at = finished_at - make_interval(secs => ${took})
    where id = ${worked.attemptId()}`.execute(app.deps.db);
  await sql`
    update tasks set ready_at = a.leased_at - make_interval(secs => ${waited})
    from attempts a where tasks.id = ${worked.task.id} and a.task_id = tasks.id`.execute(app.deps.db);
  return worked.task.id;
}

const none = { completed: 0, failed: 0, cancelled: 0, cost_usd: 0, input_tokens: 0, output_tokens: 0 };

describe('the statistics', () => {
  it('say of nothing that there is nothing', async () => {
    const { json } = await stats();
    expect(json.queue).toEqual({ pending: 0, assigned: 0, running: 0, oldest_pending_seconds: null });
    expect([json.wait_seconds, json.by_agent, json.series]).toEqual([{ p50: null, p95: null }, [], []]);
  });

  it('count what ended by template, repository, agent and day, with what it cost', async () => {
    const [build, claude] = [{ template: 'build', repository: 'main:alice/a' }, { template: 'claude' }];
    await ended(build, { waited: 10, took: 100, cost: 0.5 });
    await ended(build, { waited: 10, took: 100, cost: 0.25 });
    await ended(build, { waited: 10, took: 100, result: failed('exit', 1) });
    await ended(claude, { waited: 1000, took: 3000 });
    const { json } = await app.call('POST', '/api/v1/tasks', { body: { title: 'x', command: ['true'] } });
    await app.call('POST', `/api/v1/tasks/${json.id}/cancel`, { body: {} });
    const found = (await stats()).json;
    expect(found.by_template).toEqual([
      { ...none, key: 'build', completed: 2, failed: 1, cost_usd: 0.75, input_tokens: 200, output_tokens: 20 },
      { ...none, key: 'claude', completed: 1 },
    ]);
    expect(found.by_repository).toEqual([{ ...found.by_template[0], key: 'main:alice/a' }]);
    expect(found.by_agent).toHaveLength(4);
    expect(found.series).toEqual([
      expect.objectContaining({ day: new Date().toISOString().slice(0, 10), completed: 3, failed: 1, cancelled: 1 }),
    ]);
    const near = (seconds: number) => expect.closeTo(seconds, -Math.log10(seconds * 0.02));
    expect(found.wait_seconds).toEqual({ p50: near(10), p95: near(1000) });
    expect(found.duration_seconds).toEqual({ p50: near(100), p95: near(3000) });
    expect([found.series[0].wait_p95, found.series[0].duration_p95]).toEqual([near(1000), near(3000)]);
  });

  it('say what waits and runs now, and how long the oldest has waited', async () => {
    await (await workOn(app.deps)).take();
    const running = await workOn(app.deps);
    await running.take();
    await running.start();
    const { task } = await workOn(app.deps);
    await workOn(app.deps);
    await sql`update tasks set created_at = now() - interval '1 hour' where id = ${task.id}`.execute(app.deps.db);
    const { queue } = (await stats()).json;
    expect(queue).toMatchObject({ pending: 2, assigned: 1, running: 1 });
    expect(Math.floor(queue.oldest_pending_seconds / 60)).toBe(60);
  });

  it('are of the whole hours that hold a range', async () => {
    await ended({}, { waited: 1, took: 1 });
    const now = Date.now();
    const at = (hours: number) => new Date(now + hours * 3_600_000).toISOString();
    const inRange = async (from: number, to: number) => {
      const { json } = await stats(`?from=${at(from)}&to=${at(to)}`);
      expect(json.from).toMatch(/:00:00\.000000Z$/);
      return json.series.reduce((sum: number, { completed }: { completed: number }) => sum + completed, 0);
    };
    expect([await inRange(-1, 0), await inRange(-30, -2), await inRange(2, 3)]).toEqual([1, 0, 0]);
  });

  it.each(['?from=yesterday', '?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', '?since=1'])(
    'refuse %s',
    async (query) => {
      expect((await stats(query)).json.code).toBe('invalid');
    },
  );

  it('count each end once, though several count at once and a retry ends again', async () => {
    const id = await ended({}, { waited: 1, took: 1, result: failed('exit', 1) });
    await app.call('POST', `/api/v1/tasks/${id}/retry`, { body: {} });
    await app.call('POST', `/api/v1/tasks/${id}/cancel`, { body: {} });
    for (let n = 0; n < 10; n++) await ended({}, { waited: 1, took: 1 });
    await Promise.all(Array.from({ length: 4 }, () => countNewEnds(app.deps, 10)));
    const [day] = (await stats()).json.series;
    expect(day).toMatchObject({ completed: 10, failed: 1, cancelled: 1 });
  });

  it('do not count an attempt that failed while its task goes on', async () => {
    await ended({ maxRetries: 1 }, { waited: 1, took: 1, result: failed('exit', 1) });
    expect((await stats()).json.series).toEqual([]);
  });

  it('outlast the tasks that they tell of', async () => {
    await ended({ template: 'build' }, { waited: 1, took: 1 });
    await stats();
    await sql`select prune_tasks(array(select id from tasks))`.execute(app.deps.db);
    expect((await stats()).json.by_template).toEqual([{ ...none, key: 'build', completed: 1 }]);
  });
});

it('a range is computed once for all who ask at about the same time, and again when that is too old', async () => {
  let statements = 0;
  const count: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      statements += 1;
      return result;
    },
  };
  let nowMs = 0;
  const read = createStatistics({ db: app.deps.db.withPlugin(count) }, { cacheSeconds: 30, nowMs: () => nowMs });
  const range = { from: null, to: null };
  const all = await Promise.all([read(range), read(range), read(range)]);
  const once = statements;
  expect(new Set(all.map(({ statistics }) => statistics)).size).toBe(1);
  nowMs = 29_999;
  expect(await read(range)).toEqual({ statistics: all[0]?.statistics, ageSeconds: 29 });
  expect(statements).toBe(once);
  nowMs = 30_000;
  expect((await read(range)).ageSeconds).toBe(0);
  expect(statements).toBe(2 * once);
});

it('a computation that failed is not kept', async () => {
  const read = createStatistics(app.deps, { cacheSeconds: 30, nowMs: () => 0 });
  const wrong = { from: 'no time', to: null };
  const answers = await Promise.allSettled([read(wrong), read(wrong)]);
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(read(wrong)).rejects.toThrow();
});

it('the answer says how old it is', async () => {
  expect((await stats()).headers.get('age')).toBe('0');
});
