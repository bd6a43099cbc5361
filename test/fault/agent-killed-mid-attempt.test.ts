import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { expectHealthy } from '../support/examine.ts';
import { aliveWith, isAlive, killProcessesIn, sleepMark } from '../support/proc.ts';
import { startProgram } from '../support/programs.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { createTaskClient, type TaskClient } from '../support/task-client.ts';
import { waitFor } from '../support/wait-for.ts';

const COUNT = 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.05; done';
const COUNTED = Array.from({ length: 60 }, (_, i) => `${i}\n`).join('');

describe('an agent killed in the middle of an attempt and started again', () => {
  let server: ServerProcess;
  let tasks: TaskClient;
  beforeAll(async () => {
    server = await startServerProcess({ TASKEJO_LEASES__SECONDS: '30', TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
    tasks = createTaskClient(server);
  });
  afterEach(() => expectHealthy(server));
  afterAll(() => server?.stop());

  test('goes on with the same attempt at the byte, and there is one result', async () => {
    const agent = await startAgentProcess(server, { name: 'goes-on' });
    const { id } = await tasks.create(`${COUNT}; exit 5`, { agent_id: agent.id });
    const { attempt } = await tasks.until(id, (task) => task.attempt?.process != null);
    const attemptId = attempt?.id ?? '';
    for (const line of ['3\n', '20\n', '35\n']) {
      await waitFor(async () => (await tasks.printed(attemptId)).includes(line));
      await agent.kill();
      await agent.start();
    }
    const ended = await tasks.ended(id);
    expect(ended).toMatchObject({ status: 'failed', result: { exit_code: 5, attempt_id: attemptId } });
    expect(ended.attempt?.process).toEqual(attempt?.process);
    expect(await tasks.printed(attemptId)).toBe(COUNTED);
    expect((await tasks.events(id)).map(({ type }) => type)).toEqual(['created', 'assigned', 'started', 'failed']);
  });

  test('reports what ended meanwhile', async () => {
    const agent = await startAgentProcess(server, { name: 'meanwhile' });
    const { id } = await tasks.create('echo before; while [ ! -f go ]; do sleep 0.05; done; echo after', {
      agent_id: agent.id,
    });
    const { attempt } = await tasks.until(id, (task) => task.attempt?.process != null);
    const pid = attempt?.process?.pid ?? 0;
    await agent.kill();
    writeFileSync(`/proc/${pid}/cwd/go`, '');
    await waitFor(() => aliveWith(attempt?.id ?? '').length === 0);
    await agent.start();
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed', result: { exit_code: 0 } });
    expect(await tasks.printed(attempt?.id ?? '')).toBe('before\nafter\n');
    expect(await tasks.attempts(id)).toHaveLength(1);
  });

  test('takes no process for its own that has got the number of one, and says that it lost its own', async () => {
    const agent = await startAgentProcess(server, { name: 'reused' });
    const { id } = await tasks.create('exec sleep 600', { agent_id: agent.id, repeatable: false });
    const { attempt } = await tasks.until(id, (task) => task.attempt?.process != null);
    const attemptId = attempt?.id ?? '';
    await agent.kill();
    const { installation_id } = await server.api<{ installation_id: string }>('GET', '/healthz');
    killProcessesIn(join(agent.stateDir, 'work'));
    const stranger = startProgram('sleep', ['600']);
    const folder = join(agent.stateDir, 'work', installation_id, `a.${attemptId}`);
    for (const name of ['claim', 'task']) {
      const [, started, boot] = readFileSync(join(folder, name), 'utf8').trim().split(' ');
      writeFileSync(join(folder, name), `${stranger.pid} ${started} ${boot}\n`);
    }
    await agent.start();
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', result: { outcome: 'lost', exit_code: null } });
    expect(isAlive(stranger.pid ?? 0)).toBe(true);
  });

  test('learns of a cancel that it missed', async () => {
    const agent = await startAgentProcess(server, { name: 'missed' });
    const mark = sleepMark();
    const { id } = await tasks.create(`exec sleep ${mark}`, { agent_id: agent.id });
    await tasks.until(id, (task) => task.attempt?.process != null);
    await agent.kill();
    await waitFor(() => aliveWith(mark).length > 0);
    await server.api('POST', `/api/v1/tasks/${id}/cancel`, {});
    await agent.start();
    expect(await tasks.ended(id)).toMatchObject({ status: 'cancelled' });
    expect(aliveWith(mark)).toEqual([]);
  });
});

describe('an agent killed for good', () => {
  let server: ServerProcess;
  let tasks: TaskClient;
  beforeAll(async () => {
    server = await startServerProcess({
      TASKEJO_LEASES__SECONDS: '4',
      TASKEJO_LEASES__RENEW_SECONDS: '0.5',
      TASKEJO_LEASES__SWEEP_SECONDS: '0.2',
    });
    tasks = createTaskClient(server);
  });
  afterEach(() => expectHealthy(server));
  afterAll(() => server?.stop());

  test('gives its task back, another agent does it, and the first changes nothing when it comes back', async () => {
    const env = { TASKEJO_AGENT_LABELS: 'both' };
    const first = await startAgentProcess(server, { name: 'first', env });
    const mark = sleepMark();
    const { id } = await tasks.create(`exec sleep ${mark}`, { requires: ['both'] });
    const running = await tasks.until(id, (task) => task.attempt?.process != null);
    await first.kill();
    const again = await tasks.until(id, ({ status }) => status === 'pending');
    expect(again).toMatchObject({ infra_retries: 1, assigned_agent_id: null, result: null });
    await waitFor(() => aliveWith(mark).length === 1);

    const second = await startAgentProcess(server, { name: 'second', env });
    const taken = await tasks.until(id, ({ attempt }) => attempt?.number === 2 && attempt.process !== null);
    await waitFor(() => aliveWith(mark).length === 2);
    expect(taken.assigned_agent_id).toBe(second.id);
    const [lost] = await tasks.attempts(id);
    expect(lost).toMatchObject({ number: 1, outcome: 'lost', exit_code: null, failure_class: null });

    await first.start();
    await waitFor(() => first.log().includes('attempt is not ours any more'));
    await waitFor(() => aliveWith(mark).length === 1);
    expect(await tasks.task(id)).toMatchObject({ attempt: { number: 2 }, assigned_agent_id: second.id });
    expect(running.attempt?.id).not.toBe(taken.attempt?.id);
    expect((await tasks.events(id)).map(({ type }) => type)).toEqual([
      'created',
      'assigned',
      'started',
      'lease_lost',
      'assigned',
      'started',
    ]);
    await server.api('POST', `/api/v1/tasks/${id}/cancel`, {});
    await tasks.ended(id);
    expect(aliveWith(mark)).toEqual([]);
  });
});
