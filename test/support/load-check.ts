import { expect } from 'vitest';
import { openDatabase } from '../../src/store/pool.ts';
import { expectHealthy } from './examine.ts';
import type { Load } from './load.ts';

/**
 * What the database holds after a load is what its clients were told: each task made once, taken once, ended once.
 * With `takenAgain` some may have been taken for a caller that was gone by then, and given back by the end of the lease.
 */
export async function expectWrittenOnce(databaseUrl: string, load: Load, { takenAgain = false } = {}): Promise<void> {
  const { db, close } = openDatabase({ connectionString: databaseUrl, max: 1 });
  try {
    const tasks = await db.selectFrom('tasks').select(['id', 'title', 'status', 'attempts']).execute();
    expect(tasks.map(({ id }) => id).sort()).toEqual([...load.created].sort());
    expect(new Set(tasks.map(({ title }) => title)).size).toBe(tasks.length);
    expect([...load.completed].sort()).toEqual([...load.created].sort());
    expect(tasks.filter(({ status }) => status !== 'completed')).toEqual([]);
    if (!takenAgain) expect(tasks.filter(({ attempts }) => attempts !== 1)).toEqual([]);
    const endings = await db.selectFrom('events').select('task_id').where('type', '=', 'completed').execute();
    expect(endings.map(({ task_id }) => task_id).sort()).toEqual([...load.created].sort());
  } finally {
    await close();
  }
}

/**
 * A load that met a fault and ended heard nothing worse than that the server can't now and when to come again, and left
 * the database as it should be. With `unanswered` some requests may have had no answer at all.
 */
export async function expectOnlyRefused(
  databaseUrl: string,
  load: Load,
  { unanswered = false, takenAgain = false } = {},
): Promise<void> {
  expect(load.othersThan(200, 201, 204, 503, ...(unanswered ? [0] : []))).toEqual([]);
  expect(load.client.refusals.filter(({ code, retryAfter }) => code !== 'unavailable' || !retryAfter)).toEqual([]);
  await expectWrittenOnce(databaseUrl, load, { takenAgain });
  await expectHealthy({ databaseUrl });
}
