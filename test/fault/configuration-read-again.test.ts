import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { findServer } from '../../src/config/running-server.ts';
import type { Agent } from '../../src/contract/agent.ts';
import type { Task } from '../../src/contract/task.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { expectHealthy } from '../support/examine.ts';
import { describeIf } from '../support/require.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { createTaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

describeIf('sshd', 'a configuration file that is read again', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  const tell = ({ dataDir }: ServerProcess) => {
    const pid = findServer(dataDir);
    if (pid === null) throw new Error('the server is not found by its folder');
    process.kill(pid, 'SIGHUP');
  };

  test('what runs on a host goes on as the same attempt, and a file with mistakes changes nothing', async () => {
    const file = join(temporaryFolder(), 'taskejo.yaml');
    const write = (hosts: unknown) =>
      writeFileSync(file, JSON.stringify({ hosts, ssh: { probe_seconds: 1 } }), { mode: 0o600 });
    const entry = (...labels: string[]) => hostEntryOf(sshd, { id: 'box', labels });
    write([entry('linux')]);
    const server = await startServerProcess({ TASKEJO_CONFIG: file });
    onTestFinished(() => server.stop());
    const client = createTaskClient(server);
    const labelled = (label: string) => async () => {
      const { labels } = await server.api<Agent>('GET', '/api/v1/agents/box');
      return labels.includes(label);
    };

    const body = { title: 'Goes on', command: ['sh', '-c', 'echo begin; sleep 4; echo end'], requires: ['linux'] };
    const { id } = await server.api<Task>('POST', '/api/v1/tasks', body);
    await client.until(id, ({ attempt }) => attempt?.process != null);
    write([entry('linux', 'second')]);
    tell(server);
    await waitFor(labelled('second'));
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'completed', attempt: { number: 1 } });
    expect(await client.printed(task.attempt?.id ?? '')).toBe('begin\nend\n');
    expect(await client.attempts(id)).toHaveLength(1);

    write('no list at all');
    tell(server);
    write([entry('linux', 'third')]);
    tell(server);
    await waitFor(labelled('third'));
    const after = await server.api<Task>('POST', '/api/v1/tasks', { ...body, command: ['true'], requires: ['third'] });
    expect(await client.ended(after.id)).toMatchObject({ status: 'completed' });
    await expectHealthy(server);
  });

  test('a file that can not be taken to the end changes nothing in the database either', async () => {
    const file = join(temporaryFolder(), 'taskejo.yaml');
    const write = (...labels: string[]) =>
      writeFileSync(file, JSON.stringify({ hosts: [hostEntryOf(sshd, { id: 'box', labels })] }), { mode: 0o600 });
    write('first');
    const server = await startServerProcess({ TASKEJO_CONFIG: file });
    onTestFinished(() => server.stop());
    const labels = async () => (await server.api<Agent>('GET', '/api/v1/agents/box')).labels;
    const { db, close } = openDatabase({ connectionString: server.databaseUrl, max: 1 });
    onTestFinished(close);
    await sql`create function no_more() returns trigger language plpgsql as 'begin raise ''no more''; end'`.execute(db);
    await sql`create trigger no_more before insert on replicas execute function no_more()`.execute(db);
    write('second');
    tell(server);
    await waitFor(() => server.log().includes('was not taken'));
    expect(await labels()).toEqual(['first']);
    await sql`drop trigger no_more on replicas`.execute(db);
    tell(server);
    await waitFor(async () => (await labels()).includes('second'));
    await expectHealthy(server);
  });
});
