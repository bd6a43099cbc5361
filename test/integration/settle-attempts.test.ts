import { randomUUID, randomUUIDv7 } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startLoops } from '../../src/loops/index.ts';
import { createMetrics } from '../../src/metrics.ts';
import { getAgent } from '../../src/usecases/agents/read-agents.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { loseHopeless, recordStarting } from '../../src/usecases/hosts/host-attempts.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { getTask, listAttempts, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps, testSettings } from '../support/deps.ts';
import { describeIf } from '../support/require.ts';
import { sshHostOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

const log = { debug() {}, info() {}, warn() {}, error: console.error };

describeIf('sshd', 'attempts that ended without the word of their host', () => {
  let slow: Sshd;
  let quick: Sshd;
  let deps: Deps & { stop(): Promise<void> };
  let loops: { stop(): Promise<void> } | null = null;
  const installation = { id: randomUUIDv7(), secret: Buffer.from('secret') };

  beforeAll(async () => {
    slow = await startSshd();
    quick = await startSshd();
  });
  afterAll(async () => {
    await slow.stop();
    await quick.stop();
  });
  beforeEach(async () => {
    deps = await createTestDeps(await createTestDatabase(), {
      execution: { ...testSettings.execution, killGraceSeconds: 4 },
    });
    await syncHosts(deps, [
      { id: 'slow', labels: ['slow'], capacity: 2 },
      { id: 'quick', labels: ['quick'], capacity: 1 },
    ]);
  });
  afterEach(async () => {
    await loops?.stop();
    await deps.stop();
  });

  const start = async () => {
    const host = (id: string, sshd: Sshd) => {
      return {
        id,
        lostAfterSeconds: 600,
        tryOut: async () => null,
        ...sshHostOf(sshd, { installationId: installation.id }),
      };
    };
    const hosts = [host('slow', slow), host('quick', quick)];
    const metrics = createMetrics({ ofProcess: false });
    const more = { probeSeconds: 1, publicUrl: () => 'http://127.0.0.1:1', metrics, log };
    loops = await startLoops({ deps, installation, hosts, ...more });
  };
  const hostsAre = (online: boolean) => sql`update agents set online = ${online}`.execute(deps.db);

  /** Nobody has had an answer for long, although somebody has swept all the time. */
  const giveUp = async () => {
    await hostsAre(false);
    await sql`update beat set at = now(), up_since = now() - interval '1 hour'`.execute(deps.db);
    await sql`update attempts set contact = '{"state": "unreachable", "since": "2026-01-01T00:00:00.000000Z"}'`.execute(
      deps.db,
    );
    expect(await loseHopeless(deps, [])).toBe(1);
  };

  /** An attempt that was lost on a host while a start may have reached it. */
  async function unsettled(hostId: string) {
    const replicaId = randomUUID();
    await hostsAre(true);
    const { id } = await createTask(deps, alice, newTask({ requires: [hostId], maxInfraRetries: 0 }));
    const options = { replicaId, hostIds: [hostId], lastUsed: null, attemptToken: (text: string) => text };
    const { dispatched } = await dispatchToHosts(deps, options);
    await recordStarting(deps, replicaId, dispatched[0]?.attemptId ?? '', { storeId: 's', bootId: 'b' });
    await sql`update tasks set lease_expires_at = now() - interval '1 second' where id = ${id}`.execute(deps.db);
    await sql`update attempts set dead_by = now() - interval '1 second'`.execute(deps.db);
    await giveUp();
    return id;
  }

  it('give their place back when the host was asked', async () => {
    const id = await unsettled('quick');
    expect(await getAgent(deps, 'quick')).toMatchObject({ running: 1 });
    await start();
    await waitFor(async () => (await getAgent(deps, 'quick'))?.running === 0);
    const [attempt] = (await listAttempts(deps, id, { limit: 1, cursor: null })).items;
    expect(attempt).toMatchObject({ outcome: 'lost', proof: 'empty' });
  });

  it('keep no other host from its tasks while theirs does not answer about them', async () => {
    await unsettled('slow');
    writeFileSync(join(slow.home, '.rc'), 'case "$SSH_ORIGINAL_COMMAND" in *status*) sleep 300;; esac\n');
    await start();
    await waitFor(async () => (await getAgent(deps, 'slow'))?.online);
    const { id } = await createTask(deps, alice, newTask({ requires: ['quick'], command: ['true'] }));
    await waitFor(async () => (await getTask(deps, id))?.status === 'completed', { timeoutMs: 8_000 });
    expect(await getAgent(deps, 'slow')).toMatchObject({ running: 1 });
  });

  it('are not given up before this server itself has asked their host', async () => {
    const replicaId = randomUUID();
    await hostsAre(true);
    const { id } = await createTask(deps, alice, newTask({ requires: ['quick'], command: ['true'] }));
    await dispatchToHosts(deps, { replicaId, hostIds: ['quick'], lastUsed: null, attemptToken: (text) => text });
    await sql`update tasks set lease_expires_at = now() - interval '1 hour'`.execute(deps.db);
    await sql`update agents set online = false, state_reason = jsonb_build_object('code', 'unreachable',
      'message', 'long ago', 'since', now() - interval '1 day')`.execute(deps.db);
    await start();
    const ended = await waitFor(async () => {
      const task = await getTask(deps, id);
      return task?.finishedAt ? task : null;
    });
    expect(ended).toMatchObject({ status: 'completed', infraRetries: 0, attempt: { number: 1 } });
  });

  it('are ended on their host by one order, however long that takes there', async () => {
    const orders = join(quick.home, 'orders');
    writeFileSync(
      join(quick.home, '.rc'),
      `case "$SSH_ORIGINAL_COMMAND" in *" cancel "*) echo one >>${orders};; esac\n`,
    );
    await start();
    const command = ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'];
    const { id } = await createTask(deps, alice, newTask({ requires: ['quick'], command, maxInfraRetries: 0 }));
    await waitFor(async () => (await getTask(deps, id))?.attempt?.process ?? null);
    await loops?.stop();
    await sql`update tasks set lease_expires_at = now() - interval '1 second' where id = ${id}`.execute(deps.db);
    await sql`update attempts set dead_by = now() - interval '1 second'`.execute(deps.db);
    await giveUp();
    await start();
    await waitFor(async () => (await getAgent(deps, 'quick'))?.running === 0);
    expect(readFileSync(orders, 'utf8')).toBe('one\n');
    rmSync(join(quick.home, '.rc'));
  });

  it('are told of in the history when their host says how they ended', async () => {
    const ended = join(quick.home, 'ended');
    await start();
    const command = ['sh', '-c', `sleep 2; touch ${ended}; exit 3`];
    const { id } = await createTask(deps, alice, newTask({ requires: ['quick'], command, maxInfraRetries: 0 }));
    await waitFor(async () => (await getTask(deps, id))?.attempt?.process ?? null);
    await loops?.stop();
    await waitFor(() => existsSync(ended));
    await sql`update tasks set lease_expires_at = now() - interval '1 second' where id = ${id}`.execute(deps.db);
    await sql`update attempts set dead_by = now() - interval '1 second'`.execute(deps.db);
    await giveUp();
    await start();
    const late = async () => {
      const { items } = await listEvents(deps, id, { limit: 20, cursor: null });
      return items.find(({ type }) => type === 'late_result');
    };
    expect(await waitFor(late)).toMatchObject({ data: { outcome: 'failed', exit_code: 3 } });
    expect(await getTask(deps, id)).toMatchObject({ status: 'failed', result: { outcome: 'lost', exitCode: null } });
    await waitFor(async () => (await getAgent(deps, 'quick'))?.running === 0);
  });
});
