import { expect } from 'vitest';
import { openDatabase } from '../../src/store/pool.ts';
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
