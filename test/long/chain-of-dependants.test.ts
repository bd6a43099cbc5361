import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { expect, it, onTestFinished } from 'vitest';
import { createTasks } from '../../src/usecases/create/create-task.ts';
import { listEvents } from '../../src/usecases/task/read-tasks.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { WORK, workOff } from '../support/taken.ts';
import { alice, failed, newTask } from '../support/tasks.ts';

it('dependants that hang in a chain of 1,000 are cancelled one after the other', async () => {
  const deps = await createTestDeps(await createTestDatabase());
  onTestFinished(() => deps.stop());
  const ids = Array.from({ length: 1_000 }, () => randomUUIDv7());
  const chained = (id: string, index: number) =>
    newTask({ id, requires: [WORK], dependsOn: index === 0 ? [] : [ids[index - 1] as string] });
  const tasks = ids.map((id, index) => ({ task: chained(id, index), bodyHash: null }));
  await createTasks(deps, alice, tasks, null);
  await workOff(deps, ids[0] as string, failed('exit', 1));
  let passes = 0;
  while ((await tellDependants(deps)) > 0) passes++;
  expect(passes).toBeGreaterThanOrEqual(999);
  const { rows } = await sql<{ status: string; count: number }>`
    select status, count(*) from tasks where id = any(${ids}::uuid[]) group by status order by status`.execute(deps.db);
  expect(rows).toEqual([
    { status: 'cancelled', count: 999 },
    { status: 'failed', count: 1 },
  ]);
  const { items } = await listEvents(deps, ids[999] as string, { limit: 200, cursor: null });
  expect(items.map(({ type }) => type)).toEqual(['created', 'dependency_failed', 'cancelled']);
  await expectHealthy(deps.db);
});
