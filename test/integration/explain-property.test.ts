import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AgentMode } from '../../src/domain/task.ts';
import { NO_LIMITS } from '../../src/domain/task.ts';
import type { TaskRow } from '../../src/store/schema.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { type Explained, explainTask } from '../../src/usecases/task/explain-task.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { alice, newTask } from '../support/tasks.ts';

const RUNS = 150;
/** A slow machine tries fewer. */
const ENOUGH_MS = 15_000;
const MUST_BE_SEEN = ['offline', 'labels_missing', 'no_capacity', 'recently_failed_here', 'named'] as const;
const earlier = '2026-11-20T00:00:00Z';
const later = '2026-11-22T00:00:00Z';
const never = new AbortController().signal;
const replicaId = randomUUID();
let deps: Deps & { stop(): Promise<void> };
let round = 0;

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 4 }));
});
afterAll(() => deps.stop());

const LABELS = ['gpu', 'linux'] as const;
const labels = fc.subarray([...LABELS]);
const mode = fc.constantFrom('ssh_cli', 'http_pull');
/** True now and then: what seldom holds leaves other reasons to be seen. */
const seldom = fc.nat(4).map((n) => n === 0);

const anyAgent = fc.record({
  mode,
  labels,
  capacity: fc.integer({ min: 1, max: 2 }),
  open: fc.constantFrom(0, 0, 0, 1, 2),
  unsettled: fc.constantFrom(0, 0, 0, 1),
  /** Of what is unsettled: whether its host has answered about it since. */
  asked: fc.boolean(),
  online: fc.nat(4).map((n) => n > 0),
  cordoned: seldom,
  draining: seldom,
  saysDraining: fc.constantFrom(null, null, null, null, 'drain', 'store_full'),
  limits: fc.constantFrom(null, null, ['cpu_percent'], ['memory_bytes']),
  sandboxes: fc.constantFrom(null, null, [], ['container']),
  policy: fc.constantFrom(
    null,
    null,
    null,
    { allowedCommands: ['claude'], deniedPatterns: [] },
    { allowedCommands: [], deniedPatterns: ['^make a'] },
  ),
  failedHere: seldom,
  restriction: fc.constantFrom(
    null,
    null,
    null,
    { repositories: ['main:alice/*'], labels: null },
    { repositories: null, labels: ['gpu'] },
  ),
});
type AnyAgent = Omit<typeof anyAgent extends fc.Arbitrary<infer T> ? T : never, 'mode'> & { mode: AgentMode };

const anyTask = fc.record({
  requires: labels,
  executionMode: fc.constantFrom('undecided', 'undecided', 'ssh_cli', 'http_pull'),
  command: fc.constantFrom(['make', 'all'], ['make', 'test'], ['claude']),
  memory: seldom,
  repository: fc.constantFrom(null, 'main:alice/w', 'main:bob/w'),
  sandbox: fc.constantFrom('none', 'none', 'none', 'container'),
  leftToAgents: seldom,
  /** The agent that it names, by its place; beyond them: none. */
  named: fc.nat(12),
  gate: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'time', 'dependency', 'approval', 'key'),
});
type AnyTask = typeof anyTask extends fc.Arbitrary<infer T> ? T : never;

/** Whoever was there in the round before is gone, and what waited is no longer ready. */
async function clearTheStage(): Promise<void> {
  await sql`update agents set deleted_at = now(), online = false where deleted_at is null`.execute(deps.db);
  await sql`update tasks set ready = false where ready`.execute(deps.db);
}

async function addAgent(agent: AnyAgent, id: string): Promise<string> {
  await deps.db
    .insertInto('agents')
    .values({
      id,
      name: id,
      execution_mode: agent.mode,
      labels: agent.labels,
      capacity: agent.capacity,
      online: agent.online,
      cordoned: agent.cordoned,
      draining: agent.draining,
      says_draining: agent.mode === 'ssh_cli' ? null : agent.saysDraining,
      limits: agent.limits && [...agent.limits],
      sandboxes: agent.sandboxes && [...agent.sandboxes],
      policy: agent.policy && JSON.stringify(agent.policy),
      restriction: agent.restriction && JSON.stringify(agent.restriction),
    })
    .execute();
  for (let n = 0; n < agent.open + agent.unsettled; n++) {
    await sql`
      insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at, finished_at, outcome)
      values (${randomUUID()}, ${randomUUID()}, 1, ${agent.mode}, ${id}, '', now(),
        ${n < agent.open ? null : '2026-11-21T00:00:00Z'}, ${n < agent.open ? null : 'lost'})`.execute(deps.db);
  }
  await sql`
    update attempts set contact = jsonb_build_object('state', 'ok', 'since', ${agent.asked ? later : earlier}::text)
    where agent_id = ${id} and finished_at is not null`.execute(deps.db);
  return id;
}

const create = (changes: Parameters<typeof newTask>[0]) => createTask(deps, alice, newTask(changes));

async function addTask(wish: AnyTask, ids: readonly string[]): Promise<string> {
  const key = wish.gate === 'key' ? `key of ${round}` : null;
  // Nobody has the label of these, so that they stay where they are and before nobody.
  if (key !== null) await create({ requires: ['nobody'], concurrencyKey: key });
  const blocker = wish.gate === 'dependency' ? await create({ requires: ['nobody'] }) : null;
  const { id } = await create({
    requires: wish.requires,
    executionMode: wish.executionMode,
    command: wish.command,
    repository: wish.repository,
    limits: { ...NO_LIMITS, memoryBytes: wish.memory ? 1 : null },
    sandbox: wish.sandbox,
    priority: 9,
    runAfter: wish.gate === 'time' ? '2099-01-01T00:00:00Z' : null,
    dependsOn: blocker === null ? [] : [blocker.id],
    requiresApproval: wish.gate === 'approval',
    concurrencyKey: key,
  });
  if (wish.executionMode === 'undecided' && wish.leftToAgents) {
    await sql`update tasks set execution_mode = 'http_pull' where id = ${id}`.execute(deps.db);
  }
  const named = ids[wish.named];
  if (named !== undefined) await assignTask(deps, alice, id, { agentId: named, executionMode: null });
  return id;
}

async function addFailures(taskId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const attemptId = randomUUID();
  await sql`
    insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at, finished_at, outcome, settled)
    values (${attemptId}, ${taskId}, 1, 'http_pull', ${ids[0]}, '', now(), now(), 'lost', true)`.execute(deps.db);
  await sql`update tasks set attempts = 1, attempt_id = ${attemptId} where id = ${taskId}`.execute(deps.db);
  for (const id of ids) {
    await sql`
      insert into avoidances (task_id, agent_id, times, until)
      values (${taskId}, ${id}, 1, now() + interval '1 hour')`.execute(deps.db);
  }
}

/** What the next dequeue of an agent, or pass of dispatch to a host, takes; and everything is as before after that. */
async function takenBy(id: string, agentMode: AgentMode): Promise<string[]> {
  const before = await deps.db.selectFrom('tasks').selectAll().where('ready', '=', true).execute();
  const { online } = await deps.db.selectFrom('agents').select('online').where('id', '=', id).executeTakeFirstOrThrow();
  const taken =
    agentMode === 'http_pull'
      ? (await dequeue(deps, id, { maxTasks: 1, waitSeconds: 0, requestId: null }, never)).map(({ task }) => task.id)
      : (
          await dispatchToHosts(deps, {
            replicaId,
            hostIds: [id],
            lastUsed: null,
            attemptToken: (one) => one,
          })
        ).dispatched.map(({ taskId }) => taskId);
  for (const row of before.filter((one) => taken.includes(one.id))) await putBack(row);
  await sql`update agents set online = ${online} where id = ${id}`.execute(deps.db);
  return taken;
}

async function putBack(row: TaskRow): Promise<void> {
  await sql`
    update attempts set finished_at = now(), outcome = 'released', settled = true
    where task_id = ${row.id} and finished_at is null`.execute(deps.db);
  await sql`
    update tasks set status = 'pending', execution_mode = ${row.execution_mode}, ready = true, ready_at = now(),
      assigned_agent_id = ${row.named_agent_id}, lease_expires_at = null, holder = null
    where id = ${row.id}`.execute(deps.db);
}

const codes = (reasons: Explained['reasons']) => reasons.map(({ code }) => code);
const GATES = ['run_after', 'dependencies', 'approval', 'concurrency'];
/** Asking ends this one by itself. */
const isOnlyOffline = (told: Explained, agent: Explained['agents'][number]): boolean =>
  agent.executionMode === 'http_pull' &&
  codes(agent.reasons).join() === 'offline' &&
  !codes(told.reasons).some((code) => GATES.includes(code));

/** Where naming an agent is said to be all that it takes, it is. */
async function tryNaming(id: string, told: Explained, seen: Set<string>): Promise<void> {
  const helped = told.agents.find(({ name, smallestChange }) => smallestChange === `assign it to ${name}`);
  if (helped === undefined) return;
  await assignTask(deps, alice, id, { agentId: helped.agentId, executionMode: null });
  const after = await explainTask(deps, id, null);
  expect(after?.agents.find(({ agentId }) => agentId === helped.agentId)).toMatchObject({
    takeable: true,
    reasons: [],
  });
  expect(await takenBy(helped.agentId, helped.executionMode)).toContain(id);
  seen.add('named');
}

it('an agent is takeable exactly if its next dequeue, or pass of dispatch, takes the task that is first in order', async () => {
  const seen = new Set<string>();
  const enough = Date.now() + ENOUGH_MS;
  await fc.assert(
    fc.asyncProperty(fc.array(anyAgent, { maxLength: 4 }), anyTask, async (agents, wish) => {
      // A limit of fast-check's would leave a round behind that is still at work.
      if (Date.now() > enough && MUST_BE_SEEN.every((what) => seen.has(what))) return;
      round += 1;
      await clearTheStage();
      const ids: string[] = [];
      for (const [n, agent] of (agents as AnyAgent[]).entries()) ids.push(await addAgent(agent, `a${n}-${round}`));
      const id = await addTask(wish, ids);
      await addFailures(
        id,
        ids.filter((_, n) => agents[n]?.failedHere),
      );
      // Behind it: who passes it over takes this one.
      const behind = await create({ priority: 0 });

      const told = await explainTask(deps, id, null);
      if (told === null) throw new Error('the task is gone');
      expect(told.agents.map(({ agentId }) => agentId).sort()).toEqual([...ids].sort());
      // One that is to run later is ranked as if it was made then.
      if (wish.gate !== 'time') expect(told.ahead).toBe(0);
      for (const agent of told.agents) {
        const taken = await takenBy(agent.agentId, agent.executionMode);
        expect([agent, taken.includes(id)]).toEqual([agent, agent.takeable || isOnlyOffline(told, agent)]);
        for (const code of codes(agent.reasons)) seen.add(code);
      }
      for (const code of codes(told.reasons)) seen.add(code);
      expect(told.takeable).toBe(told.agents.some(({ takeable }) => takeable));
      expect(told.takeable).toBe(told.reasons.length === 0);
      expect((await getTask(deps, id))?.waitingReason).toBe(told.reasons[0]?.code ?? null);
      await tryNaming(id, told, seen);
      if (told.agents.some(({ takeable }) => takeable)) {
        expect((await explainTask(deps, behind.id, null))?.ahead).toBe(1);
      }
    }),
    { numRuns: RUNS },
  );
  expect([...seen]).toEqual(expect.arrayContaining([...MUST_BE_SEEN]));
});
