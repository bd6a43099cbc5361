import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { AppError } from '../../src/domain/errors.ts';
import type { NewTask, Task } from '../../src/domain/task.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { deleteAgent } from '../../src/usecases/agents/delete-agent.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { approveTask } from '../../src/usecases/task/approve-task.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { patchTask } from '../../src/usecases/task/patch-task.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { retryTask } from '../../src/usecases/task/retry-task.ts';
import { unassignTask } from '../../src/usecases/task/unassign-task.ts';
import { FROM_THE_FIRST, giveStrayKeys } from '../../src/usecases/upkeep/give-stray-keys.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../support/tasks.ts';

const ROUNDS = 30;
type Replica = Deps & { stop(): Promise<void> };
let one: Replica;
let two: Replica;
let closeSecond: () => Promise<void>;
let names = 0;

beforeAll(async () => {
  const database = await createTestDatabase();
  one = await createTestDeps(database);
  const second = openDatabase({ connectionString: database.connectionString, max: 10 });
  two = await createTestDeps({ ...database, ...second });
  closeSecond = () => second.close();
});
afterAll(async () => {
  await Promise.all([one.stop(), two.stop()]);
  await closeSecond();
});

let agent = '';
beforeEach(async () => {
  agent = `agent-${++names}`;
  await addAgent(one.db, agent, { labels: [agent], capacity: 1000 });
});
afterEach(() => expectHealthy(one.db));

const make = (changes: Partial<NewTask> = {}) => createTask(one, alice, newTask({ requires: [agent], ...changes }));
const take = async (deps: Deps, agentId = agent) => {
  const asked = { maxTasks: 1, waitSeconds: 0, requestId: null };
  const [taken] = await dequeue(deps, agentId, asked, new AbortController().signal);
  return taken?.task ?? null;
};
const finish = (deps: Deps, task: Task | null, result = failed('exit', 1), agentId = agent) => {
  const holder = { kind: 'agent', agentId, attemptId: null } as const;
  return completeAttempt(deps, holder, task?.attempt?.id ?? '', result, { hash: 'said' });
};
const now = async (id: string) => (await getTask(one, id)) as Task;
const future = '2099-01-01T00:00:00.000000Z';

/** What a call came to: `ok`, or the code with which it was refused. Whatever isn't a refusal fails the test. */
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    (value) => (value === null ? 'nothing' : 'ok'),
    (error: unknown) => {
      if (error instanceof AppError) return error.code;
      throw error;
    },
  );

/** Many rounds of the same calls at once, each round begun by another of them. Every order must come out right. */
async function race(
  prepare: (
    round: number,
  ) => Promise<{ calls: (() => Promise<unknown>)[]; judge: (outcomes: string[]) => Promise<void> }>,
): Promise<string[]> {
  const seen = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const { calls, judge } = await prepare(round);
    const order = calls.map((_, at) => (at + round) % calls.length);
    const answers = new Map<number, Promise<string>>();
    for (const at of order) {
      answers.set(at, outcome((calls[at] as () => Promise<unknown>)()));
      // Sometimes the first is given a head start of a turn or more, so that each one wins in some rounds.
      for (let turn = 0; turn < round % 3; turn++) await new Promise(setImmediate);
    }
    const outcomes = await Promise.all(calls.map((_, at) => answers.get(at) as Promise<string>));
    await judge(outcomes);
    seen.add(outcomes.join(' '));
  }
  return [...seen];
}

it('of cancel and complete the first one decides how the task ends', async () => {
  await race(async () => {
    const { id } = await make();
    const taken = await take(one);
    return {
      calls: [() => cancelTask(one, alice, id, null), () => finish(two, taken)],
      async judge([cancelled, completed]) {
        expect(completed).toBe('ok');
        expect(['ok', 'status_not_allowed']).toContain(cancelled);
        expect((await now(id)).status).toBe(cancelled === 'ok' ? 'cancelled' : 'failed');
      },
    };
  });
});

it('a task that is cancelled while it is dequeued is never taken without being asked to stop', async () => {
  await race(async () => {
    const { id } = await make();
    return {
      calls: [() => cancelTask(one, alice, id, 'no'), () => take(two)],
      async judge([cancelled, taken]) {
        expect(cancelled).toBe('ok');
        const task = await now(id);
        expect(task.status).toBe(taken === 'ok' ? 'assigned' : 'cancelled');
        expect(task.stopReason).toBe('cancel');
        if (taken === 'ok') await finish(one, task);
      },
    };
  });
});

it('a task that is put off while it is dequeued is either put off or taken', async () => {
  await race(async () => {
    const { id } = await make({ concurrencyKey: `${agent}-${++names}` });
    return {
      calls: [() => patchTask(one, alice, id, { runAfter: future, priority: 7 }, 'any'), () => take(two)],
      async judge([patched, taken]) {
        expect([patched, taken]).toEqual(patched === 'ok' ? ['ok', 'nothing'] : ['status_not_allowed', 'ok']);
        expect(await now(id)).toMatchObject(
          patched === 'ok' ? { priority: 7, version: 2 } : { priority: 3, version: 1 },
        );
      },
    };
  });
});

it('of several retries one makes the task pending again', async () => {
  await race(async () => {
    const { id } = await make();
    await cancelTask(one, alice, id, null);
    return {
      calls: [one, two, one, two].map((deps) => () => retryTask(deps, alice, id)),
      async judge(outcomes) {
        expect(outcomes.toSorted()).toEqual(['ok', ...Array(3).fill('status_not_allowed')]);
        expect(await take(one)).toMatchObject({ id });
      },
    };
  });
});

it('a task that is retried while its dependency completes is not left waiting for it', async () => {
  await race(async () => {
    const first = await make();
    const taken = await take(one);
    const { id } = await make({ dependsOn: [first.id] });
    await cancelTask(one, alice, id, null);
    return {
      calls: [() => retryTask(one, alice, id), () => finish(two, taken, succeeded), () => tellDependants(one)],
      async judge([retried, completed]) {
        expect([retried, completed]).toEqual(['ok', 'ok']);
        while ((await tellDependants(two)) > 0);
        expect(await now(id)).toMatchObject({ ready: true, unmetDependencies: 0 });
        expect(await take(one)).toMatchObject({ id });
      },
    };
  });
});

it('a task and its dependency that are retried while it is told of the failure agree in the end', async () => {
  await race(async () => {
    const first = await make();
    const { id } = await make({ dependsOn: [first.id] });
    await finish(one, await take(one));
    return {
      calls: [() => retryTask(one, alice, id), () => retryTask(two, alice, first.id), () => tellDependants(two)],
      async judge([, retried]) {
        expect(retried).toBe('ok');
        while ((await tellDependants(two)) > 0);
        await finish(one, await take(one), succeeded);
        while ((await tellDependants(two)) > 0);
        const task = await now(id);
        if (task.status === 'cancelled') await retryTask(one, alice, id);
        expect(await take(one)).toMatchObject({ id });
      },
    };
  });
});

it('of approve and patch that have read the same version one is done', async () => {
  await race(async () => {
    const { id } = await make({ requiresApproval: true });
    return {
      calls: [() => approveTask(one, alice, id, [1]), () => patchTask(two, alice, id, { priority: 9 }, [1])],
      async judge(outcomes) {
        expect(outcomes.toSorted()).toEqual(['ok', 'version_mismatch']);
        const task = await now(id);
        expect(task).toMatchObject({ version: 2, priority: outcomes[1] === 'ok' ? 9 : 3, ready: outcomes[0] === 'ok' });
        await cancelTask(one, alice, id, null);
      },
    };
  });
});

it('a task that is assigned, unassigned and dequeued at once is taken by one who may take it', async () => {
  const other = `other-${agent}`;
  await addAgent(one.db, other, { capacity: 1000 });
  await race(async () => {
    const { id } = await make({ namedAgentId: agent });
    return {
      calls: [
        () => assignTask(one, alice, id, { agentId: other, executionMode: null }),
        () => unassignTask(two, alice, id),
        () => take(one),
        () => take(two, other),
      ],
      async judge([assigned, unassigned, taken, takenByOther]) {
        const task = await now(id);
        expect(['ok', 'assign_not_allowed']).toContain(assigned);
        expect(['ok', 'status_not_allowed']).toContain(unassigned);
        expect([taken, takenByOther].filter((answer) => answer === 'ok')).toHaveLength(
          task.status === 'assigned' ? 1 : 0,
        );
        if (taken === 'ok') expect(task.assignedAgentId).toBe(agent);
        if (takenByOther === 'ok') expect(task).toMatchObject({ assignedAgentId: other, namedAgentId: other });
        if (task.status === 'pending') await cancelTask(one, alice, id, null);
      },
    };
  });
});

it('an agent that is deleted while it is named and takes leaves no task waiting for it', async () => {
  await race(async () => {
    const doomed = await addAgent(one.db, `doomed-${++names}`, { labels: [agent], capacity: 1000 });
    const { id } = await make();
    const named = await make({ namedAgentId: doomed });
    await cancelTask(one, alice, named.id, null);
    return {
      calls: [
        () => deleteAgent(one, doomed),
        () => assignTask(two, alice, id, { agentId: doomed, executionMode: null }),
        () => take(two, doomed),
        () => retryTask(two, alice, named.id),
      ],
      async judge([deleted, assigned, , retried]) {
        expect([deleted, retried]).toEqual(['ok', 'ok']);
        expect(['ok', 'not_found', 'assign_not_allowed']).toContain(assigned);
        for (const task of [await now(id), await now(named.id)]) {
          if (task.status === 'pending') expect(task.namedAgentId).toBeNull();
          else await finish(one, task, succeeded, doomed);
        }
        await Promise.all([cancelTask(one, alice, id, null), cancelTask(two, alice, named.id, null)].map(outcome));
      },
    };
  });
});

it('an agent that is deleted while a task that names it is cancelled and retried keeps nobody waiting', async () => {
  await race(async () => {
    const doomed = await addAgent(one.db, `doomed-${++names}`);
    const { id } = await make({ namedAgentId: doomed });
    return {
      calls: [
        () => deleteAgent(one, doomed),
        () => cancelTask(two, alice, id, null),
        () => retryTask(two, alice, id),
        () => retryTask(one, alice, id),
      ],
      async judge([deleted, cancelled]) {
        expect([deleted, cancelled]).toEqual(['ok', 'ok']);
        await outcome(cancelTask(one, alice, id, null));
      },
    };
  });
});

it('a concurrency key has one holder, however it is let go of', async () => {
  const key = `key-of-${agent}`;
  await race(async () => {
    const tasks = [await make({ concurrencyKey: key }), await make({ concurrencyKey: key, priority: 5 })];
    const [first, second] = tasks.map(({ id }) => id) as [string, string];
    const third = await make({ concurrencyKey: key });
    await cancelTask(one, alice, third.id, null);
    return {
      calls: [
        () => patchTask(one, alice, first, { runAfter: future }, 'any'),
        () => patchTask(two, alice, second, { priority: 9 }, 'any'),
        () => retryTask(two, alice, third.id),
        () => take(one),
        () => patchTask(one, alice, first, { runAfter: null }, 'any'),
      ],
      async judge() {
        await giveStrayKeys(two, FROM_THE_FIRST);
        await expectHealthy(one.db);
        const standing = await Promise.all([first, second, third.id].map(now));
        expect(standing.filter((task) => task.ready || task.status === 'assigned')).toHaveLength(1);
        for (const task of standing) {
          const taken = await now(task.id);
          if (taken.status === 'assigned') await finish(one, taken, succeeded);
        }
        for (const { id } of standing) await outcome(cancelTask(one, alice, id, null));
      },
    };
  });
});
