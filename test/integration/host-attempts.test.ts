import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { getAgent } from '../../src/usecases/agents/read-agents.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { adoptAttempt, findFreeAttempts } from '../../src/usecases/hosts/adopt-attempts.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { loseHopeless, noteAsked, recordContact, recordStarting } from '../../src/usecases/hosts/host-attempts.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { explainTask } from '../../src/usecases/task/explain-task.ts';
import { getTask, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { keepReplica, leaveAsReplica } from '../../src/usecases/upkeep/keep-replica.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { somebodyWaits } from '../support/locks.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let deps: Deps & { stop(): Promise<void> };
const replica = (pid = 1) => ({ id: randomUUID(), bootId: 'b', pidNamespace: 'p', pid, startedAt: '1' });
const first = replica();
const second = replica(2);
const store = { storeId: 's', bootId: 'b', wrapper: 'w-0123456789abcdef.sh' };

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 8 }));
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli' });
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
  await deps.db.destroy();
});

/** A task on its way to the host: the first replica has taken it, and says so before it sends anything. */
async function taken(changes: Partial<NewTask> = {}) {
  const { id } = await createTask(deps, alice, newTask(changes));
  const options = { replicaId: first.id, hostIds: ['h1'], lastUsed: null, attemptToken: (text: string) => text };
  const { dispatched } = await dispatchToHosts(deps, options);
  return { id, attemptId: dispatched[0]?.attemptId ?? '' };
}
/** The same, and its start is on the way. */
async function sent(changes: Partial<NewTask> = {}) {
  const one = await taken(changes);
  await start(one.attemptId);
  await recordStarting(deps, first.id, one.attemptId, store);
  return one;
}
const start = (attemptId: string) => startAttempt(deps, { kind: 'replica', replicaId: first.id }, attemptId, null);
const renew = (replicaId: string, attemptId: string) =>
  renewAttempt(deps, { kind: 'replica', replicaId }, attemptId, null);
const free = (by = second) => findFreeAttempts(deps, by, ['h1'], () => false);
const adopt = async (by = second) =>
  Promise.all((await free(by)).map(async (one) => (await adoptAttempt(deps, by.id, one)) && one.attemptId));
const lose = () => loseHopeless(deps, [{ hostId: 'h1', seconds: 600 }]);
const seconds = (count: number) => sql`make_interval(secs => ${count})`;
const lapse = (ago = 1) =>
  sql`update tasks set lease_expires_at = clock_timestamp() - ${seconds(ago)}`.execute(deps.db);
const silent = (ago: number) =>
  sql`update attempts set contact = jsonb_build_object('state', 'unreachable', 'since',
    to_char(clock_timestamp() - ${seconds(ago)}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))`.execute(deps.db);
const deadFor = (ago: number) =>
  sql`update attempts set dead_by = clock_timestamp() - ${seconds(ago)}`.execute(deps.db);
/** Somebody has swept all the time. */
const awake = (since = 3600) =>
  sql`update beat set at = clock_timestamp(), up_since = clock_timestamp() - ${seconds(since)}`.execute(deps.db);
const contactOf = async (id: string) => (await getTask(deps, id))?.attempt?.contact;
const typesOf = async (id: string) =>
  (await listEvents(deps, id, { limit: 50, cursor: null })).items.map(({ type }) => type);

it('an attempt is not lost that somebody adopted, and let go of, while it was about to be', async () => {
  const { id, attemptId } = await sent();
  await awake();
  await lapse();
  await silent(700);
  let losing: Promise<number> = Promise.resolve(0);
  await deps.db.transaction().execute(async (trx) => {
    await sql`update tasks set holder = ${second.id} where id = ${id}`.execute(trx);
    losing = lose();
    await waitFor(() => somebodyWaits(deps.db));
    await recordContact({ ...deps, db: trx }, second.id, attemptId, 'ok');
  });
  expect(await losing).toBe(0);
  expect(await getTask(deps, id)).toMatchObject({ status: 'running' });
});

it('what a replica says of a host while another adopts the attempt changes nothing', async () => {
  const { id, attemptId } = await sent();
  let saying = Promise.resolve();
  await deps.db.transaction().execute(async (trx) => {
    await sql`update tasks set holder = ${second.id} where id = ${id}`.execute(trx);
    await recordContact({ ...deps, db: trx }, second.id, attemptId, 'ok');
    saying = recordContact(deps, first.id, attemptId, 'unreachable', 15);
    await waitFor(() => somebodyWaits(deps.db));
  });
  await saying;
  expect(await contactOf(id)).toMatchObject({ state: 'ok' });
});

it('the silence before an attempt was adopted counts no more, should who adopted it die at once', async () => {
  const { id } = await sent();
  await awake();
  await lapse();
  await silent(700);
  expect(await adopt()).toHaveLength(1);
  expect(await contactOf(id)).toMatchObject({ state: 'ok' });
  await lapse();
  expect(await lose()).toBe(0);
  expect(await getTask(deps, id)).toMatchObject({ status: 'running' });
});

it.each([
  ['taken', false],
  ['about to be started', true],
])(
  'an attempt that was only %s when its host went away is tried again, also if it must not run twice',
  async (_, asked) => {
    const { id, attemptId } = await taken({ repeatable: false });
    if (asked) await start(attemptId);
    await awake();
    await lapse(16);
    expect(await lose()).toBe(1);
    expect(await getTask(deps, id)).toMatchObject({ status: 'pending', infraRetries: 1, executionMode: 'undecided' });
    expect(await getAgent(deps, 'h1')).toMatchObject({ running: 0 });
  },
);

it('an attempt whose host is gone from every file before anything was sent is tried again', async () => {
  const { id } = await taken({ repeatable: false });
  await syncHosts(deps, []);
  await awake();
  await lapse(16);
  expect(await lose()).toBe(1);
  expect(await getTask(deps, id)).toMatchObject({ status: 'pending' });
});

it('an attempt that may run on a host out of reach keeps its task and its place', async () => {
  const { id } = await sent();
  await awake();
  await lapse();
  await silent(570);
  expect(await lose()).toBe(0);
  expect(await getTask(deps, id)).toMatchObject({ status: 'running' });
  expect(await getAgent(deps, 'h1')).toMatchObject({ running: 1 });
});

it('an attempt that its host has surely ended is lost, and keeps its place until the host was asked', async () => {
  const { id } = await sent({ repeatable: false });
  await awake();
  await lapse();
  await silent(20);
  await deadFor(1);
  expect(await lose()).toBe(1);
  expect(await getTask(deps, id)).toMatchObject({
    status: 'failed',
    result: { outcome: 'lost', error: expect.stringContaining('has surely ended it') },
  });
  expect(await getAgent(deps, 'h1')).toMatchObject({ running: 1 });
});

it('an attempt that its host has surely ended is not lost while its host answers about it, or may any moment', async () => {
  const { attemptId } = await sent({ repeatable: false });
  await awake();
  await deadFor(600);
  await recordContact(deps, first.id, attemptId, 'unreachable');
  expect(await lose()).toBe(0);
  await recordContact(deps, first.id, attemptId, 'ok');
  await lapse();
  expect(await lose()).toBe(0);
});

it('is said to be dead by when its timeout, the grace and a minute are over since the last start was sent', async () => {
  const { attemptId } = await sent({ timeoutSeconds: 1000 });
  const after = 1000 + deps.settings.execution.killGraceSeconds + 60;
  /** As if it had been sent now; a test takes seconds, and not half a minute. */
  const isSentNow = async () => {
    const { rows } = await sql<{ left: number }>`
      select extract(epoch from dead_by - clock_timestamp())::float8 as left from attempts`.execute(deps.db);
    const left = rows[0]?.left ?? 0;
    return left <= after && left > after - 30;
  };
  expect(await isSentNow()).toBe(true);
  await deadFor(5);
  await recordStarting(deps, first.id, attemptId, null);
  expect(await isSentNow()).toBe(true);
});

it.each([
  [true, 'pending'],
  [false, 'running'],
])(
  'an attempt without contact for longer than its host may be is lost if it may run twice (%s)',
  async (repeatable, status) => {
    const { id } = await sent({ repeatable });
    await awake();
    await lapse();
    await silent(601);
    await lose();
    expect(await getTask(deps, id)).toMatchObject({ status });
  },
);

it('what a probe says of a host neither saves an attempt that it is silent about, nor ends one', async () => {
  await sql`update agents set capacity = 2`.execute(deps.db);
  const hopeless = await sent();
  const driven = await sent();
  await awake();
  await lapse();
  await renew(first.id, driven.attemptId);
  await silent(601);
  expect(await lose()).toBe(1);
  await sql`update agents set online = false`.execute(deps.db);
  expect(await lose()).toBe(0);
  const statusOf = async ({ id }: { id: string }) => (await getTask(deps, id))?.status;
  expect([await statusOf(hopeless), await statusOf(driven)]).toEqual(['pending', 'running']);
});

it('after an outage of ours nothing is given up before every host had the time of a lease to answer', async () => {
  await sent({ repeatable: false });
  await lapse(3600);
  await silent(3600);
  await deadFor(1800);
  expect(await lose()).toBe(0); // nobody has swept yet
  await awake(15);
  expect(await lose()).toBe(0);
  await awake(31);
  expect(await lose()).toBe(1);
});

it('contact is lost where nobody drives an attempt for 15 seconds, since its lease ended, but for outages of ours', async () => {
  const { id, attemptId } = await sent();
  await recordContact(deps, first.id, attemptId, 'ok');
  await awake();
  await lapse(1);
  await lose();
  expect(await contactOf(id)).toMatchObject({ state: 'ok' });
  await awake(1);
  await lapse(16);
  await lose();
  expect(await contactOf(id)).toMatchObject({ state: 'ok' });
  await awake();
  const before = Date.now();
  await lose();
  const contact = await contactOf(id);
  expect(contact?.state).toBe('unreachable');
  expect(before - Date.parse(contact?.since ?? '')).toBeGreaterThan(15_000);
  await adopt();
  await recordContact(deps, second.id, attemptId, 'ok');
  await lose();
  expect(await contactOf(id)).toMatchObject({ state: 'ok' });
});

it('a replica whose lease has lapsed may not send a start before it has adopted the attempt again', async () => {
  const { attemptId } = await taken();
  await start(attemptId);
  await lapse();
  await expect(recordStarting(deps, first.id, attemptId, store)).rejects.toThrow('not driven by this replica');
  expect(await adopt(first)).toEqual([attemptId]);
  await recordStarting(deps, first.id, attemptId, store);
});

it('a replica that lost an attempt to another changes nothing of it', async () => {
  const { id, attemptId } = await taken();
  await start(attemptId);
  await lapse();
  await adopt();
  await recordContact(deps, second.id, attemptId, 'ok');
  await recordContact(deps, first.id, attemptId, 'unreachable');
  await expect(recordStarting(deps, first.id, attemptId, store)).rejects.toThrow('not driven by this replica');
  await expect(renew(first.id, attemptId)).rejects.toMatchObject({ code: 'lease_lost' });
  expect(await getTask(deps, id)).toMatchObject({ attempt: { contact: { state: 'ok' } } });
});

it('of replicas that adopt at once one drives the attempt', async () => {
  const { id, attemptId } = await taken();
  await lapse();
  const others = Array.from({ length: 4 }, () => replica());
  const adopted = await Promise.all(others.map(adopt));
  expect(adopted.flat().filter((one) => one !== false)).toEqual([attemptId]);
  expect((await typesOf(id)).filter((type) => type === 'reattached')).toHaveLength(1);
});

it('an attempt that was renewed, adopted or ended since it was seen is not adopted', async () => {
  const { attemptId } = await sent();
  await lapse();
  const [seen] = await free();
  expect(seen).toMatchObject({ attemptId, hostId: 'h1', holder: first.id, wrapper: store.wrapper });
  await renew(first.id, attemptId);
  expect(await adoptAttempt(deps, second.id, seen as never)).toBe(false);
  await lapse();
  expect(await adoptAttempt(deps, second.id, seen as never)).toBe(true);
  await lapse();
  expect(await adoptAttempt(deps, first.id, seen as never)).toBe(false);
});

it('what a replica held that is gone from this machine is free at once, and nobody asks about that one again', async () => {
  await keepReplica(deps, first, ['h1']);
  const { attemptId } = await sent();
  expect(await findFreeAttempts(deps, second, ['h1'], ({ pid }) => pid === 3)).toEqual([]);
  const found = await findFreeAttempts(deps, second, ['h1'], ({ pid }) => pid === 1);
  expect(found).toMatchObject([{ attemptId, holder: first.id }]);
  expect(await deps.db.selectFrom('replicas').selectAll().execute()).toEqual([]);
});

it.each([{ bootId: 'another' }, { pidNamespace: 'another' }])(
  'what a replica held elsewhere (%o) is not free before its lease has lapsed',
  async (elsewhere) => {
    await keepReplica(deps, first, ['h1']);
    await sent();
    expect(await findFreeAttempts(deps, { ...second, ...elsewhere }, ['h1'], () => true)).toEqual([]);
  },
);

it('a replica that stops lets go of what it drives', async () => {
  await keepReplica(deps, first, ['h1']);
  const { attemptId } = await sent();
  await leaveAsReplica(deps, first.id);
  expect(await adopt()).toEqual([attemptId]);
  expect(await deps.db.selectFrom('replicas').selectAll().execute()).toEqual([]);
});

it('contact renews the lease, however long the attempt should have been over', async () => {
  const { attemptId } = await sent({ timeoutSeconds: 10 });
  await awake();
  await sql`update attempts set started_at = started_at - interval '1 hour', leased_at = leased_at - interval '1 hour'`.execute(
    deps.db,
  );
  await lapse(-5);
  const { leaseExpiresAt } = await renew(first.id, attemptId);
  expect(Date.parse(leaseExpiresAt) - Date.now()).toBeGreaterThan(20_000);
});

it('nothing is started on a host before it was asked about what ended there without its word', async () => {
  await sql`update agents set capacity = 3`.execute(deps.db);
  const { attemptId } = await sent({ repeatable: false });
  await awake();
  await lapse();
  await silent(20);
  await deadFor(1);
  await lose();
  const { id } = await createTask(deps, alice, newTask());
  const options = { replicaId: first.id, hostIds: ['h1'], lastUsed: null, attemptToken: (text: string) => text };
  const [waitsFor] = (await explainTask(deps, id, null))?.agents ?? [];
  expect(waitsFor).toMatchObject({ takeable: false, reasons: [{ code: 'unsettled' }] });
  expect((await dispatchToHosts(deps, options)).dispatched).toEqual([]);
  await noteAsked(deps, attemptId);
  expect(await explainTask(deps, id, null)).toMatchObject({ takeable: true });
  expect((await dispatchToHosts(deps, options)).dispatched).toMatchObject([{ taskId: id }]);
});

it('an attempt that nobody could watch is never told as a timeout', async () => {
  const { id } = await sent({ timeoutSeconds: 10 });
  await sql`update attempts set started_at = started_at - interval '1 hour'`.execute(deps.db);
  await sweep(deps);
  await sql`update beat set up_since = now() - interval '1 hour'`.execute(deps.db);
  await sql`update tasks set updated_at = now() - interval '1 hour'`.execute(deps.db);
  await lapse();
  await sweep(deps);
  expect(await getTask(deps, id)).toMatchObject({ stopReason: null });
  await adopt();
  await sweep(deps);
  expect(await getTask(deps, id)).toMatchObject({ stopReason: null });
  await sql`update tasks set updated_at = now() - interval '1 hour'`.execute(deps.db);
  await sweep(deps);
  expect(await getTask(deps, id)).toMatchObject({ stopReason: 'timeout' });
});
