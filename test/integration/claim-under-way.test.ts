import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/pool.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { createDequeues, type Dequeues } from '../../src/usecases/dequeue/dequeue.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { holdCommits } from '../support/held-commits.ts';
import { holdLooks } from '../support/hold-looks.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let deps: Deps & { stop(): Promise<void> };
let desk: Dequeues;
let commits: ReturnType<typeof holdCommits>;
let close: () => Promise<void>;

beforeEach(async () => {
  const database = await createTestDatabase({ max: 4 });
  const { connectionString } = database;
  const hot = openDatabase({ connectionString, byKeys: true });
  commits = holdCommits(hot.pool);
  deps = await createTestDeps({ ...database, hot: hot.db });
  desk = createDequeues(deps);
  close = hot.close;
  await addAgent(deps.db, 'waits');
});
afterEach(async () => {
  desk.stop();
  await expectHealthy(deps.db);
  await deps.stop();
  await close();
});

/** Tells nobody, as another replica whose word comes later. */
const createSilently = () => createTask({ ...deps, wakeups: { ...deps.wakeups, emit: () => {} } }, alice, newTask());

it('who is being claimed for when it is told that there are tasks somewhere does not wait for the next look', async () => {
  holdLooks();
  commits.hold();
  const asked = desk.dequeue('waits', { maxTasks: 1, waitSeconds: 20, requestId: null });
  await waitFor(() => commits.held() === 1);
  const { id } = await createSilently();
  deps.wakeups.emit({ kind: 'ready' });
  commits.letGo();
  expect((await asked.answer).map(({ task }) => task.id)).toEqual([id]);
});

it('who waited asks anew when the answer to its claim was lost, and is given what that took', async () => {
  const asked = desk.dequeue('waits', { maxTasks: 1, waitSeconds: 20, requestId: 'the same' });
  await waitFor(() => desk.waiting() === 1);
  commits.loseAnswer();
  const { id } = await createTask(deps, alice, newTask());
  expect((await asked.answer).map(({ task, attempt }) => [task.id, attempt.number])).toEqual([[id, 1]]);
});
