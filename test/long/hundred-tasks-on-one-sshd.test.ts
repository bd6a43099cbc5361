import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { expectHealthy } from '../support/examine.ts';
import { describeIf } from '../support/require.ts';
import { startServerProcess } from '../support/serve.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { startSshd } from '../support/sshd.ts';
import { createTaskClient } from '../support/task-client.ts';

const COUNT = 100;

describeIf('sshd', 'a hundred tasks at once on one sshd as it comes', () => {
  it('all run, once each, with their logs', async () => {
    const sshd = await startSshd();
    onTestFinished(() => sshd.stop());
    const host = hostEntryOf(sshd, { id: 'box', labels: ['box'], capacity: COUNT });
    const server = await startServerProcess({ TASKEJO_HOSTS: JSON.stringify([host]), TASKEJO_SSH__PROBE_SECONDS: '1' });
    onTestFinished(() => server.stop());
    const tasks = createTaskClient(server);
    const command = ['sh', '-c', 'cat; echo run >>"$STARTS/$TASKEJO_TASK_ID"'];
    const body = Array.from({ length: COUNT }, (_, n) => ({
      ...{ title: `task ${n}`, command, input: `input ${n}\n`, requires: ['box'], max_infra_retries: 0 },
      environment: { STARTS: sshd.home },
    }));
    const { items } = await server.api<{ items: Task[] }>('POST', '/api/v1/tasks', body);
    for (const [n, { id }] of items.entries()) {
      const ended = await tasks.ended(id, { timeoutMs: 120_000 });
      expect(ended).toMatchObject({ status: 'completed', attempt: { number: 1 } });
      expect(await tasks.printed(ended.attempt?.id ?? '')).toBe(`input ${n}\n`);
    }
    const starts = readdirSync(sshd.home).filter((name) => items.some(({ id }) => id === name));
    expect(starts.map((name) => readFileSync(join(sshd.home, name), 'utf8'))).toEqual(Array(COUNT).fill('run\n'));
    await expectHealthy(server);
  });
});
