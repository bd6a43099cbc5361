import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startConfiguredServer } from '../support/configured.ts';
import { describeIf } from '../support/require.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { createTaskClient } from '../support/task-client.ts';
import { waitFor } from '../support/wait-for.ts';

describeIf('sshd', 'a server killed with SIGKILL while a task runs over SSH', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  const lines = (count: number) => Array.from({ length: count }, (_, n) => `line ${n}\n`).join('');
  /** Prints with pauses and notes each start, so that a second run would show. */
  const counting = (count: number, code: number) =>
    `echo run >>"$STARTS"; i=0; while [ $i -lt ${count} ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit ${code}`;
  const starts = (name: string) => readFileSync(join(sshd.home, name), 'utf8').trim().split('\n').length;

  it('is attached again after its restart, and ends with the true exit code and the whole log', async () => {
    const server = await startConfiguredServer(sshd, { command: ['true'], requires: [] }, { embedded: true });
    const client = createTaskClient(server);
    const task = await client.create(counting(60, 42), {
      requires: ['linux'],
      repeatable: false,
      environment: { STARTS: join(sshd.home, 'starts-1') },
    });
    const running = await client.until(task.id, ({ attempt }) => attempt?.process != null);
    const attemptId = running.attempt?.id ?? '';
    await waitFor(async () => (await client.printed(attemptId)).includes('line 5'));
    await server.killAndRestart();
    const types = async () => (await client.events(task.id)).map(({ type }) => type);
    await waitFor(async () => (await types()).includes('reattached'));
    const ended = await client.ended(task.id);
    expect(ended).toMatchObject({
      status: 'failed',
      attempt: { id: attemptId, number: 1 },
      result: { outcome: 'failed', failure_class: 'exit', exit_code: 42 },
    });
    expect(await client.printed(attemptId)).toBe(lines(60));
    expect(await client.attempts(task.id)).toHaveLength(1);
    expect(starts('starts-1')).toBe(1);
  });

  it('gets the result of a task that ended while it was away', async () => {
    const server = await startConfiguredServer(sshd, { command: ['true'], requires: [] });
    const client = createTaskClient(server);
    const task = await client.create(`${counting(20, 0)}`, {
      requires: ['linux'],
      environment: { STARTS: join(sshd.home, 'starts-2') },
    });
    await client.until(task.id, ({ attempt }) => attempt?.process != null);
    await server.killAndRestart();
    const ended = await client.ended(task.id);
    expect(ended).toMatchObject({ status: 'completed', attempt: { number: 1 } });
    expect(await client.printed(ended.attempt?.id ?? '')).toBe(lines(20));
    expect(starts('starts-2')).toBe(1);
  });
});
