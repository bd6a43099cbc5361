import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockAgents } from '../../src/store/claims.ts';
import { getAgent, listAgents } from '../../src/usecases/agents/read-agents.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { type HostState, noteHostState } from '../../src/usecases/hosts/host-state.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { keepReplica, leaveAsReplica } from '../../src/usecases/upkeep/keep-replica.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { somebodyWaits } from '../support/locks.ts';
import { alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let deps: Deps & { stop(): Promise<void> };
const host = (id: string, capacity = 1) => ({ id, labels: [], capacity });

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 4 }));
});
afterEach(async () => {
  await deps.stop();
  await deps.db.destroy();
});

it('a server that starts with another file and one that dispatches do not wait for each other in a circle', async () => {
  await syncHosts(deps, [host('a'), host('b')]);
  const syncing = await deps.db.transaction().execute(async (trx) => {
    await lockAgents(trx, ['a']);
    const promise = syncHosts(deps, [host('b', 2), host('c')]);
    await waitFor(() => somebodyWaits(deps.db));
    await lockAgents(trx, ['b']);
    return { promise };
  });
  await syncing.promise;
  expect(await getAgent(deps, 'a')).toBeNull();
  expect(await getAgent(deps, 'b')).toMatchObject({ capacity: 2 });
  expect(await getAgent(deps, 'c')).toMatchObject({ capacity: 1 });
});

const replica = () => ({ id: randomUUID(), bootId: 'b', pidNamespace: 'p', pid: 1, startedAt: '1' });
const names = async () => (await listAgents(deps, { limit: 50, cursor: null })).items.map(({ id }) => id);
const isSilentFor = (seconds: number) =>
  sql`update replicas set seen_at = clock_timestamp() - make_interval(secs => ${seconds})`.execute(deps.db);

const hasSweptFor = (seconds: number) =>
  sql`update beat set at = clock_timestamp(), up_since = clock_timestamp() - make_interval(secs => ${seconds})`.execute(
    deps.db,
  );

it('after an outage in which no replica could be heard of the first that is back drops no host of another', async () => {
  const [one, other] = [replica(), replica()];
  await syncHosts(deps, [host('a')]);
  await keepReplica(deps, one, ['a']);
  const { id } = await createTask(deps, alice, newTask());
  await assignTask(deps, alice, id, { agentId: 'a', executionMode: null });
  await isSilentFor(300);
  await sql`update beat set at = clock_timestamp() - interval '300 seconds'`.execute(deps.db);
  await keepReplica(deps, other, []);
  await hasSweptFor(1);
  await keepReplica(deps, other, []);
  expect(await names()).toEqual(['a']);
  expect(await getTask(deps, id)).toMatchObject({ namedAgentId: 'a' });
  await hasSweptFor(61);
  await keepReplica(deps, other, []);
  expect(await names()).toEqual([]);
});

it('a host stays as long as a replica that was heard of within a minute has it in its file', async () => {
  const old = replica();
  await syncHosts(deps, [host('a'), host('b')]);
  await keepReplica(deps, old, ['a', 'b']);
  await syncHosts(deps, [host('b'), host('c')]);
  expect(await names()).toEqual(['a', 'b', 'c']);
  await hasSweptFor(3600);
  await isSilentFor(40);
  await keepReplica(deps, replica(), ['b', 'c']);
  expect(await names()).toEqual(['a', 'b', 'c']);
  await isSilentFor(61);
  await keepReplica(deps, replica(), ['b', 'c']);
  expect(await names()).toEqual(['b', 'c']);
});

it('a host goes with the last replica that has it, and tasks that name it name nobody', async () => {
  const [old, changed] = [replica(), replica()];
  await syncHosts(deps, [host('a')]);
  await keepReplica(deps, old, ['a']);
  const { id } = await createTask(deps, alice, newTask());
  await assignTask(deps, alice, id, { agentId: 'a', executionMode: null });
  await keepReplica(deps, changed, []);
  expect(await getTask(deps, id)).toMatchObject({ namedAgentId: 'a' });
  await leaveAsReplica(deps, old.id);
  await keepReplica(deps, changed, []);
  expect(await names()).toEqual([]);
  expect(await getTask(deps, id)).toMatchObject({ namedAgentId: null });
});

it('of two that start at once with different files neither loses its hosts', async () => {
  const [one, other] = [replica(), replica()];
  await syncHosts(deps, [host('a')]);
  await syncHosts(deps, [host('b')]);
  await keepReplica(deps, one, ['a']);
  await keepReplica(deps, other, ['b']);
  await keepReplica(deps, one, ['a']);
  expect(await names()).toEqual(['a', 'b']);
});

it('a host that answers another replica stays online, and what its own replica says of it counts', async () => {
  const [one, other] = [replica(), replica()];
  await syncHosts(deps, [host('a')]);
  for (const each of [one, other]) await keepReplica(deps, each, ['a']);
  const away = { online: false, code: 'unreachable', message: 'no way' } as const;
  const says = (by: { id: string }, state: HostState) =>
    noteHostState(deps, 'a', state, { replicaId: by.id, freshSeconds: 15 });
  const isOnline = async () => (await getAgent(deps, 'a'))?.online;
  expect(await says(one, { online: true })).toBe(true);
  expect(await says(other, away)).toBe(false);
  expect(await isOnline()).toBe(true);
  expect(await says(one, away)).toBe(true);
  expect(await isOnline()).toBe(false);
  await says(one, { online: true });
  await sql`update agents set last_seen_at = clock_timestamp() - interval '16 seconds'`.execute(deps.db);
  expect(await says(other, away)).toBe(true);
  await says(one, { online: true });
  await leaveAsReplica(deps, one.id);
  expect(await says(other, away)).toBe(true);
});
