import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Result } from '../../src/domain/attempt.ts';
import type { Holder } from '../../src/domain/holder.ts';
import type { NewTask } from '../../src/domain/task.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { approveTask } from '../../src/usecases/task/approve-task.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { patchTask } from '../../src/usecases/task/patch-task.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { retryTask } from '../../src/usecases/task/retry-task.ts';
import { unassignTask } from '../../src/usecases/task/unassign-task.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps, testSettings } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { somebodyWaits } from '../support/locks.ts';
import * as model from '../support/task-model.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

/** A step; what its numbers mean is up to what is done, so that any part of a run is a run. */
type Step = { what: What; which: number; other: number; replica: 0 | 1; saying: model.Saying; yes: boolean };
type World = {
  replicas: [Deps, Deps];
  ids: [string, string];
  model: model.Model;
  run: number;
  holders: Map<string, Holder>;
};

const pick = <T>(list: readonly T[], number: number): T | undefined => list[number % list.length];
const micros = (time: string): number => Date.parse(time) * 1000 + Number(time.slice(-4, -1));
const FAR = '2099-01-01T00:00:00.000000Z';
const refusal = (code: string) => expect.objectContaining({ code });

const said: Record<model.Saying, Result> = {
  completed: succeeded,
  exit: failed('exit', 1),
  setup: failed('setup'),
  released: { ...succeeded, outcome: 'released', exitCode: null },
  cancelled: { ...succeeded, outcome: 'cancelled', exitCode: null },
  lost: { ...succeeded, outcome: 'lost', exitCode: null },
};

async function create(world: World, { which, other, replica, yes, saying }: Step): Promise<void> {
  const earlier = [...world.model.tasks.keys()];
  const wish: Partial<NewTask> = {
    requires: [`${which % 4 === 0 ? 'y' : 'x'}-${world.run}`],
    priority: [1, 3, 3, 5, 8][other % 5] ?? 3,
    executionMode: (['undecided', 'undecided', 'http_pull', 'ssh_cli'] as const)[which % 4] ?? 'undecided',
    maxRetries: other % 3,
    maxInfraRetries: which % 3,
    repeatable: other % 4 !== 0,
    runAfter: saying === 'lost' ? FAR : null,
    requiresApproval: saying === 'setup',
    concurrencyKey: which % 5 < 2 ? `key-${world.run}-${which % 5}` : null,
    dependsOn: yes ? [...new Set([which, other].flatMap((n) => pick(earlier, n) ?? []))] : [],
    onDependencyFailure: (['cancel', 'wait', 'run'] as const)[which % 3] ?? 'cancel',
  };
  const task = await createTask(world.replicas[replica], alice, newTask(wish));
  world.model.tasks.set(task.id, {
    id: task.id,
    label: task.requires[0] ?? '',
    priority: task.priority,
    since: micros(task.runAfter ?? task.createdAt),
    requestedMode: task.requestedMode,
    named: null,
    key: task.concurrencyKey,
    dependsOn: task.dependsOn,
    reaction: task.onDependencyFailure,
    met: new Set(),
    approved: !task.requiresApproval,
    due: task.runAfter === null,
    later: task.runAfter !== null,
    maxRetries: task.maxRetries,
    maxInfra: task.maxInfraRetries,
    repeatable: task.repeatable,
    status: 'pending',
    ready: false,
    retries: 0,
    infra: 0,
    attempts: [],
  });
}

type Took = { taskId: string; attemptId: string; agentId: string };

const pull = async (world: World, agent: model.ModelAgent, replica: 0 | 1, maxTasks: number): Promise<Took[]> => {
  const wish = { maxTasks, waitSeconds: 0, requestId: null };
  const taken = await dequeue(world.replicas[replica], agent.id, wish, new AbortController().signal);
  for (const { attempt } of taken) world.holders.set(attempt.id, { kind: 'agent', agentId: agent.id, attemptId: null });
  return taken.map(({ task, attempt }) => ({ taskId: task.id, attemptId: attempt.id, agentId: agent.id }));
};

const push = async (world: World, host: model.ModelAgent, replica: 0 | 1): Promise<Took[]> => {
  const options = {
    replicaId: world.ids[replica],
    hostIds: [host.id],
    lastUsed: null,
    attemptToken: (id: string) => id,
  };
  const { dispatched } = await dispatchToHosts(world.replicas[replica], options);
  for (const { attemptId } of dispatched) {
    world.holders.set(attemptId, { kind: 'replica', replicaId: world.ids[replica] });
  }
  return dispatched.map(({ taskId, attemptId }) => ({ taskId, attemptId, agentId: host.id }));
};

function took(world: World, all: readonly Took[]): void {
  for (const { taskId, attemptId, agentId } of all) {
    model.take(world.model.tasks.get(taskId) as model.ModelTask, agentId, attemptId);
  }
}

/** The best-ranked ones, as many as there are places. */
async function takeBest(world: World, { which, other, replica }: Step): Promise<void> {
  const agent = pick(world.model.agents, which) as model.ModelAgent;
  const most = agent.mode === 'ssh_cli' ? Number.POSITIVE_INFINITY : (other % 3) + 1;
  const places = Math.min(most, model.freePlaces(world.model, agent));
  const expected = model.takeable(world.model, [agent]).slice(0, places);
  const taken = await (agent.mode === 'ssh_cli' ? push(world, agent, replica) : pull(world, agent, replica, most));
  expect(new Set(taken.map(({ taskId }) => taskId))).toEqual(new Set(expected.map(({ id }) => id)));
  took(world, taken);
}

/** Everybody at once, on both replicas: each task goes to one who may take it, nobody gets more than there is room for. */
async function takeAtOnce(world: World): Promise<void> {
  const { agents } = world.model;
  const free = new Map(agents.map((agent) => [agent.id, model.freePlaces(world.model, agent)]));
  const wishes = [...agents, ...agents].map((agent, index) => {
    const replica = index < agents.length ? 0 : 1;
    return agent.mode === 'ssh_cli' ? push(world, agent, replica) : pull(world, agent, replica, 2);
  });
  const taken = (await Promise.all(wishes)).flat();
  expect(new Set(taken.map(({ taskId }) => taskId)).size).toBe(taken.length);
  for (const agent of agents) {
    const own = taken.filter(({ agentId }) => agentId === agent.id);
    expect(own.length).toBeLessThanOrEqual(free.get(agent.id) ?? 0);
    const may = model.takeable(world.model, [agent]).map(({ id }) => id);
    expect(may).toEqual(expect.arrayContaining(own.map(({ taskId }) => taskId)));
  }
  took(world, taken);
}

type Worked = { task: model.ModelTask; attempt: model.ModelAttempt; holder: Holder };

function worked(world: World, which: number): Worked | null {
  const task = pick(model.ofStatus(world.model, 'assigned', 'running'), which);
  const attempt = task && model.openAttempt(task);
  return task && attempt ? { task, attempt, holder: world.holders.get(attempt.id) as Holder } : null;
}

async function start(world: World, { which, replica, yes }: Step): Promise<void> {
  const work = worked(world, which);
  if (work === null) return;
  const { task, attempt, holder } = work;
  const asking = startAttempt(world.replicas[replica], holder, attempt.id, yes ? PROCESS : null);
  if (task.status === 'assigned' && attempt.stop) {
    await expect(asking).rejects.toEqual(refusal('status_not_allowed'));
    return;
  }
  await asking;
  task.status = 'running';
  attempt.process ||= yes;
}
const PROCESS = { pid: 1, startedAt: 'x', bootId: 'y' };

async function renew(world: World, { which, replica }: Step): Promise<void> {
  const work = worked(world, which);
  if (work?.holder.kind !== 'agent') return;
  const { stopReason } = await renewAttempt(world.replicas[replica], work.holder, work.attempt.id, {
    percent: 1,
    message: null,
  });
  expect(stopReason).toBe(work.attempt.stop ? 'cancel' : null);
}

const isHost = (world: World, agentId: string) =>
  world.model.agents.some(({ id, mode }) => id === agentId && mode === 'ssh_cli');
const unstarted = (world: World, { task, attempt }: Worked) =>
  task.status === 'assigned' || isHost(world, attempt.agentId);

/** Said twice, as by somebody who did not hear the answer: the second time on the other replica. */
async function complete(world: World, { which, replica, saying, yes }: Step): Promise<void> {
  const work = worked(world, which);
  if (work === null) return;
  const { task, attempt, holder } = work;
  const say = (on: 0 | 1) => completeAttempt(world.replicas[on], holder, attempt.id, said[saying], { hash: saying });
  if (saying === 'released' && attempt.process) {
    await expect(say(replica)).rejects.toEqual(refusal('status_not_allowed'));
    return;
  }
  const answer = await say(replica);
  model.end(task, saying, unstarted(world, work));
  expect(answer).toEqual({ taskId: task.id, taskStatus: task.status });
  if (yes) expect(await say(replica === 0 ? 1 : 0)).toMatchObject({ taskId: task.id });
}

/** Whose attempt is over changes nothing. */
async function comeLate(world: World, { which, replica }: Step): Promise<void> {
  const ended = [...world.model.tasks.values()].flatMap(({ attempts }) => attempts.filter(({ open }) => !open));
  const attempt = pick(ended, which);
  if (attempt === undefined) return;
  const holder = world.holders.get(attempt.id) as Holder;
  const late = completeAttempt(world.replicas[replica], holder, attempt.id, succeeded, { hash: 'late' });
  await expect(late).rejects.toEqual(refusal(expect.stringMatching(/^(lease_lost|attempt_finished)$/) as never));
}

/** Nobody hears of the agent any more. */
async function lapse(world: World, { which, replica }: Step): Promise<void> {
  const work = worked(world, which);
  if (work === null || work.holder.kind !== 'agent') return;
  const { db } = world.replicas[0];
  await sweep(world.replicas[replica]);
  await sql`update tasks set lease_expires_at = clock_timestamp() where id = ${work.task.id}`.execute(db);
  await sweep(world.replicas[replica]);
  await sweep(world.replicas[replica]);
  model.end(work.task, 'lost', unstarted(world, work));
}

/** The server's connection is cut in the middle of a transaction: as if nothing had been said. */
async function cut(world: World, { which, saying }: Step): Promise<void> {
  const work = worked(world, which);
  if (work === null) return;
  const [first, second] = world.replicas;
  await first.db.transaction().execute(async (trx) => {
    await sql`select 1 from tasks where id = ${work.task.id} for update`.execute(trx);
    const completing = completeAttempt(second, work.holder, work.attempt.id, said[saying], { hash: 'cut' });
    const failing = completing.then(() => null, String);
    await waitFor(() => somebodyWaits(first.db));
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database()`.execute(trx);
    expect(await failing).not.toBeNull();
  });
  // Its pools may not have noticed yet that the connection is gone, and lend it once more: all of theirs are asked at once.
  const askAll = (db: typeof first.db) => Array.from({ length: 12 }, () => sql`select 1`.execute(db));
  await waitFor(() => Promise.all([...askAll(second.db), ...askAll(second.hot)]));
}

async function makeDue(world: World, { which, replica }: Step): Promise<void> {
  const task = pick(
    model.ofStatus(world.model, 'pending').filter(({ due }) => !due),
    which,
  );
  if (task === undefined) return;
  await sql`update tasks set due_at = clock_timestamp() where id = ${task.id}`.execute(world.replicas[0].db);
  await sweep(world.replicas[replica]);
  task.due = true;
}

/** What a coordinator asks of any task; where it isn't allowed it is refused, and nothing changes. */
async function steer(
  world: World,
  { which, replica, yes }: Step,
  act: (deps: Deps, task: model.ModelTask) => Promise<unknown>,
  allowed: (task: model.ModelTask) => boolean,
  change: (task: model.ModelTask) => void,
): Promise<void> {
  const tasks = [...world.model.tasks.values()];
  const task = pick(yes ? tasks.filter(allowed) : tasks, which);
  if (task === undefined) return;
  const acting = act(world.replicas[replica], task);
  if (!allowed(task)) {
    await expect(acting).rejects.toEqual(refusal(expect.stringMatching(/_not_allowed$/) as never));
    return;
  }
  await acting;
  change(task);
}

const pending = ({ status }: model.ModelTask) => status === 'pending';

const STEPS = {
  create,
  takeBest,
  takeAtOnce,
  start,
  renew,
  complete,
  comeLate,
  lapse,
  cut,
  makeDue,
  cancel: (world, step) =>
    steer(
      world,
      step,
      (deps, { id }) => cancelTask(deps, alice, id, null),
      (task) => task.status === 'cancelled' || !model.isOver(task),
      (task) => {
        const attempt = model.openAttempt(task);
        if (attempt) attempt.stop = true;
        else model.finish(task, 'cancelled');
      },
    ),
  retry: (world, step) =>
    steer(
      world,
      step,
      (deps, { id }) => retryTask(deps, alice, id),
      ({ status }) => status === 'failed' || status === 'cancelled',
      (task) => model.retry(world.model, task),
    ),
  assign: (world, step) => {
    const agent = pick(world.model.agents, step.other) as model.ModelAgent;
    const wish = { agentId: agent.id, executionMode: null };
    return steer(
      world,
      step,
      (deps, { id }) => assignTask(deps, alice, id, wish),
      pending,
      (task) => {
        task.named = agent.id;
      },
    );
  },
  unassign: (world, step) =>
    steer(
      world,
      step,
      (deps, { id }) => unassignTask(deps, alice, id),
      (task) => pending(task) && task.named !== null,
      (task) => {
        task.named = null;
      },
    ),
  approve: (world, step) =>
    steer(
      world,
      step,
      async (deps, { id }) => approveTask(deps, alice, id, [(await getTask(deps, id))?.version ?? 0]),
      (task) => pending(task) && !task.approved,
      (task) => {
        task.approved = true;
      },
    ),
  patch: (world, step) => {
    const priority = step.other % 11;
    return steer(
      world,
      step,
      (deps, { id }) => patchTask(deps, alice, id, { priority }, 'any'),
      pending,
      (task) => {
        task.priority = priority;
      },
    );
  },
} satisfies Record<string, (world: World, step: Step) => Promise<void>>;
type What = keyof typeof STEPS;

/** What follows by itself happens, and then everything is as the model says. */
async function compare(world: World): Promise<void> {
  const { db } = world.replicas[0];
  while ((await tellDependants(world.replicas[1])) > 0);
  await sql`update agents set own_failures = '{}' where own_failures <> '{}'`.execute(db);
  const keys = await db.selectFrom('concurrency').selectAll().execute();
  model.settle(world.model, (key) => keys.find((row) => row.key === key)?.task_id);
  expect(model.idleKeys(world.model)).toEqual([]);
  const tasks = [...world.model.tasks.values()];
  const rows = await db
    .selectFrom('tasks')
    .select(['id', 'status', 'ready', 'retries', 'infra_retries as infra', 'attempts', 'unmet_dependencies as unmet'])
    .where(sql<boolean>`id = any(${tasks.map(({ id }) => id)}::uuid[])`)
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  expect(tasks.map(({ id }) => byId.get(id))).toEqual(
    tasks.map(({ id, status, ready, retries, infra, attempts, dependsOn, met }) => {
      const unmet = status === 'pending' ? dependsOn.length - met.size : (byId.get(id)?.unmet ?? 0);
      return { id, status, ready, retries, infra, attempts: attempts.length, unmet };
    }),
  );
}

/** What moves tasks on comes more often. */
const OFTEN: readonly What[] = [
  ...(['create', 'create', 'create', 'create', 'create', 'takeBest', 'takeBest', 'takeBest'] as const),
  ...(['start', 'start', 'complete', 'complete', 'complete', 'complete', 'lapse', 'retry'] as const),
];

const step: fc.Arbitrary<Step> = fc.record(
  {
    what: fc.constantFrom(...OFTEN, ...(Object.keys(STEPS) as What[])),
    which: fc.nat(999),
    other: fc.nat(999),
    replica: fc.constantFrom(0, 1),
    saying: fc.constantFrom(...(Object.keys(said) as model.Saying[])),
    yes: fc.boolean(),
  },
  { noNullPrototype: true },
);

/**
 * Any steps on two replicas of one database, beside a simple model of them. A failure prints its seed and path: put
 * them into MODEL_SEED and MODEL_PATH to see it again.
 */
export function modelSuite({ runs, steps, seconds }: { runs: number; steps: number; seconds: number }): void {
  let world: Pick<World, 'replicas' | 'ids'>;
  let stop: () => Promise<unknown>;
  let run = 0;

  beforeAll(async () => {
    const database = await createTestDatabase({ max: 6 });
    const second = openDatabase({ connectionString: database.connectionString, max: 6 });
    const settings = {
      leases: { seconds: 600, renewSeconds: 100, sweepSeconds: 100 },
      dispatch: { ...testSettings.dispatch, avoidSeconds: 0 },
    };
    const one = await createTestDeps(database, settings);
    const two = await createTestDeps({ ...database, ...second }, settings);
    world = { replicas: [one, two], ids: [randomUUID(), randomUUID()] };
    stop = () => Promise.all([one.stop(), two.stop()]).then(() => second.close());
  });
  afterAll(() => stop?.());

  async function begin(): Promise<World> {
    run += 1;
    const [x, y] = [`x-${run}`, `y-${run}`];
    const agents: model.ModelAgent[] = [
      { id: `puller-${run}`, mode: 'http_pull', labels: [x], capacity: 2 },
      { id: `another-${run}`, mode: 'http_pull', labels: [x, y], capacity: 3 },
      { id: `host-${run}`, mode: 'ssh_cli', labels: [x, y], capacity: 2 },
    ];
    for (const { id, ...agent } of agents)
      await addAgent(world.replicas[0].db, id, { ...agent, labels: [...agent.labels] });
    return { ...world, run, holders: new Map(), model: { tasks: new Map(), keys: new Map(), agents } };
  }

  it('whatever is done in whatever order, tasks are what a simple model says, and no invariant is breached', {
    timeout: seconds * 1000 + 120_000,
  }, async () => {
    // Also looking for a shorter failure ends then, so that it is told. A limit of fast-check's would leave a run behind
    // that is still at work.
    const enough = Date.now() + seconds * 1000;
    const property = fc.asyncProperty(
      fc.array(step, { minLength: steps / 4, maxLength: steps, size: 'max' }),
      async (all) => {
        if (Date.now() > enough) return;
        const own = await begin();
        for (const one of all) {
          if (Date.now() > enough) return;
          await STEPS[one.what](own, one);
          await compare(own);
        }
        await expectHealthy(world.replicas[0].db);
      },
    );
    const { MODEL_SEED: seed, MODEL_PATH: path } = process.env;
    await fc.assert(property, {
      numRuns: runs,
      ...(seed === undefined ? {} : { seed: Number(seed) }),
      ...(path === undefined ? {} : { path }),
    });
  });
}
