import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/store/pool.ts';
import { expectHealthy } from '../support/examine.ts';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { ADMIN_TOKEN, type Replica, startReplica } from '../support/replica.ts';
import { describeIf } from '../support/require.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { startSshd } from '../support/sshd.ts';
import { createTaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { cloneDatabase } from '../support/test-server.ts';
import { waitFor } from '../support/wait-for.ts';

const leases = { seconds: 2, renew_seconds: 0.5, sweep_seconds: 0.5 };

test('what a replica does that was frozen in the middle of a load changes nothing that others did since', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const env = { TASKEJO_LEASES__SECONDS: '10', TASKEJO_LEASES__RENEW_SECONDS: '3' };
  const replicas = await Promise.all([startReplica({ databaseUrl, env }), startReplica({ databaseUrl, env })]);
  const load = await startLoad({ urls: replicas.map(({ url }) => url), patienceMs: 3_000 });
  await load.goesOn();
  for (const frozen of replicas) {
    const before = load.client.statuses.get(0) ?? 0;
    frozen.signal('SIGSTOP');
    await waitFor(() => (load.client.statuses.get(0) ?? 0) > before, { what: 'its clients give up' });
    await load.goesOn();
    frozen.signal('SIGCONT');
    await load.goesOn();
  }
  await load.finish();
  // Who asks for a row that the frozen one holds may be told to come again, until the database ends its transaction.
  await expectOnlyRefused(databaseUrl, load, { unanswered: true, takenAgain: true });
});

describeIf('sshd', 'a replica that drives an attempt on a host, frozen past its lease', () => {
  /** Replicas with one host, and a task on it that prints a line when a file appears, and ends when another does. */
  async function driving() {
    const sshd = await startSshd();
    onTestFinished(() => sshd.stop());
    const databaseUrl = await cloneDatabase(inject('testServer'), false);
    const file = join(temporaryFolder(), 'taskejo.yaml');
    const hosts = [hostEntryOf(sshd, { id: 'box', labels: ['linux'] })];
    const dispatch = { tick_seconds: 1 };
    writeFileSync(file, JSON.stringify({ hosts, leases, dispatch, ssh: { probe_seconds: 1 } }), { mode: 0o600 });
    const start = () => startReplica({ databaseUrl, env: { TASKEJO_CONFIG: file } });
    const frozen = await start();
    const client = clientOf(frozen);
    const command = `echo run >>${sshd.home}/starts; echo first; until [ -f ${sshd.home}/go ]; do sleep 0.05; done; echo last`;
    const { id } = await client.create(command, { requires: ['linux'] });
    const { attempt } = await client.until(id, (task) => task.attempt?.process != null);
    const { db, close } = openDatabase({ connectionString: databaseUrl, max: 1 });
    onTestFinished(close);
    const row = () => db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    return {
      ...{ sshd, databaseUrl, start, frozen, id, row },
      attemptId: attempt?.id ?? '',
      go: () => writeFileSync(join(sshd.home, 'go'), ''),
    };
  }
  const clientOf = ({ url }: Replica) =>
    createTaskClient({
      url,
      adminToken: ADMIN_TOKEN,
      api: async (method: string, path: string, body?: unknown) => {
        const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
        const response = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) ?? null });
        if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
        return await response.json();
      },
    } as Parameters<typeof createTaskClient>[0]);
  /** By far: its own clock began a little later than the database's. */
  const lapsed = async (row: () => Promise<{ lease_expires_at: string | null }>) =>
    Date.parse((await row()).lease_expires_at ?? '') + leases.seconds * 1000 < Date.now();

  test('writes nothing once another has taken it over', async () => {
    const { sshd, databaseUrl, start, frozen, id, attemptId, go, row } = await driving();
    const { holder } = await row();
    frozen.signal('SIGSTOP');
    const other = await start();
    await waitFor(async () => (await row()).holder !== holder);
    const adopted = (await row()).holder;
    frozen.signal('SIGCONT');
    // It finds out, and leaves the attempt alone; a file lets the command end under the other's eyes.
    await waitFor(() => frozen.log().includes('attempt is driven no more'));
    go();
    const client = clientOf(other);
    expect(await client.ended(id)).toMatchObject({ status: 'completed', attempt: { id: attemptId, number: 1 } });
    expect((await row()).holder ?? adopted).toBe(adopted);
    expect(await client.printed(attemptId)).toBe('first\nlast\n');
    const types = (await client.events(id)).map(({ type }) => type);
    expect(types).toEqual(['created', 'assigned', 'started', 'reattached', 'completed']);
    expect(readFileSync(join(sshd.home, 'starts'), 'utf8')).toBe('run\n');
    await expectHealthy({ databaseUrl });
  });

  test('adopts it again before it writes, where nobody else did', async () => {
    const { sshd, databaseUrl, frozen, id, attemptId, go, row } = await driving();
    frozen.signal('SIGSTOP');
    await waitFor(() => lapsed(row));
    go();
    frozen.signal('SIGCONT');
    const client = clientOf(frozen);
    expect(await client.ended(id)).toMatchObject({ status: 'completed', attempt: { id: attemptId, number: 1 } });
    expect(await client.printed(attemptId)).toBe('first\nlast\n');
    const types = (await client.events(id)).map(({ type }) => type);
    expect(types).toEqual(['created', 'assigned', 'started', 'reattached', 'completed']);
    expect(readFileSync(join(sshd.home, 'starts'), 'utf8')).toBe('run\n');
    await expectHealthy({ databaseUrl });
  });
});
