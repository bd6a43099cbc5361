import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentState } from '../../src/domain/agent.ts';
import { findAgent } from '../../src/store/agents.ts';
import { patchAgent } from '../../src/usecases/agents/patch-agent.ts';
import { endIsolation, judgeAgents, letAgentBack } from '../../src/usecases/attempt/judge-agent.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { isIsolated, noteHostState, noteStillIsolated } from '../../src/usecases/hosts/host-state.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { addAgent } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
let added = 0;

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 8 }));
});
afterAll(() => deps.stop());

const add = (mode: 'http_pull' | 'ssh_cli' = 'http_pull') => addAgent(deps.db, `agent-${++added}`, { mode });
const lost = (agentId: string, taskId = randomUUIDv7()) => ({
  agentId,
  taskId,
  outcome: 'lost' as const,
  failureClass: null,
  ownFailure: false,
  error: 'nobody heard of it',
});
const completed = (agentId: string) => ({ ...lost(agentId), outcome: 'completed' as const, error: null });
const failed = (agentId: string, failureClass: 'exit' | 'setup' | 'infrastructure', error: string | null = null) => ({
  ...lost(agentId),
  outcome: 'failed' as const,
  failureClass,
  error,
});
const endings = async (...all: Parameters<typeof judgeAgents>[1][number][]) => {
  for (const one of all) await judgeAgents(deps, [one]);
};
async function isolated(mode: 'http_pull' | 'ssh_cli' = 'http_pull') {
  const id = await add(mode);
  await endings(lost(id), lost(id), lost(id));
  expect((await agentOf(id)).stateReason?.code).toBe('isolated');
  return id;
}
async function agentOf(id: string) {
  const agent = await findAgent(deps.db, id);
  if (agent === null) throw new Error('the agent is gone');
  return agent;
}
/** As if it was isolated so long ago. */
const letTimePass = (id: string, seconds: number) =>
  sql`update agents set isolated_at = isolated_at - make_interval(secs => ${seconds}) where id = ${id}`.execute(
    deps.db,
  );
const isBack = async (id: string) => {
  const { own_failures, isolated_at } = await deps.db
    .selectFrom('agents')
    .select(['own_failures', 'isolated_at'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const { cordoned, cordonReason, stateReason } = await agentOf(id);
  return (
    !cordoned && cordonReason === null && stateReason === null && isolated_at === null && own_failures.length === 0
  );
};

it('three tasks in a row that fail for causes of the agent’s own isolate it, and it says why', async () => {
  const id = await add();
  await endings(lost(id), failed(id, 'infrastructure', 'the link was cut'));
  expect((await agentOf(id)).cordoned).toBe(false);
  await endings({ ...failed(id, 'setup', 'the disk is full'), ownFailure: true });
  const agent = await agentOf(id);
  expect(agent).toMatchObject({
    cordoned: true,
    cordonReason: 'isolated',
    stateReason: {
      code: 'isolated',
      message: '3 tasks in a row failed here, the last one with: the disk is full',
      since: expect.stringMatching(/^\d{4}-.*Z$/),
    },
  });
  expect(agentState(agent)).toBe('cordoned');
});

it.each([
  ['a success between them', (id: string) => [lost(id), lost(id), completed(id), lost(id)]],
  ['a failure of a task’s own between them', (id: string) => [lost(id), lost(id), failed(id, 'exit'), lost(id)]],
  [
    'programs that are missing',
    (id: string) => ['a', 'b', 'c'].map((p) => failed(id, 'setup', `program \`${p}\` not found`)),
  ],
  ['the same task three times', (id: string) => [lost(id, SAME), lost(id, SAME), lost(id, SAME)]],
])('%s do not isolate an agent', async (_, told) => {
  const id = await add();
  await endings(...told(id));
  expect((await agentOf(id)).cordoned).toBe(false);
});
const SAME = randomUUIDv7();

it('endings that come together are judged in their order', async () => {
  const [one, other] = [await add(), await add()];
  await judgeAgents(deps, [lost(one), lost(other), lost(one), completed(other), lost(other), lost(one), lost(other)]);
  expect([(await agentOf(one)).cordoned, (await agentOf(other)).cordoned]).toEqual([true, false]);
  await judgeAgents(deps, []);
});

it('of endings that are judged at once each counts', async () => {
  const id = await add();
  await Promise.all([lost(id), lost(id), lost(id)].map((one) => judgeAgents(deps, [one])));
  expect((await agentOf(id)).stateReason?.code).toBe('isolated');
});

it('a host that answers is isolated still, says what became of it when it was tried, and comes back when that was good', async () => {
  const id = await isolated('ssh_cli');
  await noteHostState(deps, id, { online: true });
  expect(await agentOf(id)).toMatchObject({ online: true, cordoned: true, stateReason: { code: 'isolated' } });
  const { stateReason } = await agentOf(id);
  await noteStillIsolated(deps, id, 'the disk is full');
  await noteHostState(deps, id, { online: true });
  expect((await agentOf(id)).stateReason).toEqual({
    ...stateReason,
    message: 'tried again, and not yet let back: the disk is full',
  });
  expect(await isIsolated(deps, id)).toBe(true);
  await letAgentBack(deps, id);
  expect([await isIsolated(deps, id), await isBack(id)]).toEqual([false, true]);
});

it('of an isolated host out of reach it is said that it is out of reach', async () => {
  const id = await isolated('ssh_cli');
  await noteHostState(deps, id, { online: true });
  await noteHostState(deps, id, { online: false, code: 'unreachable', message: 'no answer' });
  await noteStillIsolated(deps, id, 'the link was cut');
  expect(await agentOf(id)).toMatchObject({ cordoned: true, stateReason: { code: 'unreachable' } });
});

it('a host that a person cordoned is not isolated any more', async () => {
  const id = await isolated('ssh_cli');
  await patchAgent(deps, id, { cordoned: true, cordonReason: 'to be repaired' });
  expect(await isIsolated(deps, id)).toBe(false);
  await letAgentBack(deps, id);
  expect(await agentOf(id)).toMatchObject({ cordoned: true, cordonReason: 'to be repaired', stateReason: null });
});

it('an agent that a person cordoned is not isolated, and stays cordoned', async () => {
  const id = await add();
  await patchAgent(deps, id, { cordoned: true, cordonReason: 'moved' });
  await endings(lost(id), lost(id), lost(id));
  await letTimePass(id, 10_000);
  await sweep(deps);
  expect(await agentOf(id)).toMatchObject({ cordoned: true, cordonReason: 'moved', stateReason: null });
});

it('the sweep lets back an agent that pulls after ten minutes, and not before; no host', async () => {
  const [soon, late, host] = [await isolated(), await isolated(), await isolated('ssh_cli')];
  await letTimePass(soon, 590);
  await letTimePass(late, 601);
  await letTimePass(host, 601);
  await sweep(deps);
  expect([await isBack(soon), await isBack(late), await isBack(host)]).toEqual([false, true, false]);
  expect(await endIsolation(deps)).toBe(0);
});

it('a new start lets back an agent that pulls', async () => {
  const id = await isolated();
  expect([await letAgentBack(deps, id), await letAgentBack(deps, id)]).toEqual([true, false]);
  expect(await isBack(id)).toBe(true);
});

it('a person lets an agent back', async () => {
  const id = await isolated();
  await patchAgent(deps, id, { capacity: 7 });
  expect((await agentOf(id)).cordoned).toBe(true);
  await patchAgent(deps, id, { cordoned: false });
  expect(await isBack(id)).toBe(true);
});

it('a host that a person lets back while it is out of reach says so still, and since when', async () => {
  const id = await isolated('ssh_cli');
  await noteHostState(deps, id, { online: false, code: 'unreachable', message: 'no answer' });
  const { stateReason } = await agentOf(id);
  await patchAgent(deps, id, { cordoned: false });
  expect(await agentOf(id)).toMatchObject({ cordoned: false, online: false, stateReason });
  expect(stateReason?.code).toBe('unreachable');
});

it('one that was let back is isolated only by three tasks more', async () => {
  const id = await isolated();
  await patchAgent(deps, id, { cordoned: false });
  await endings(lost(id), lost(id));
  expect((await agentOf(id)).cordoned).toBe(false);
});
