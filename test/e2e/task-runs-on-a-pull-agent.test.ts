import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { run, taskejo } from '../support/command-line.ts';
import { expectHealthy } from '../support/examine.ts';
import { aliveWith, listProcesses, sleepMark } from '../support/proc.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { waitFor } from '../support/wait-for.ts';

const { server, tasks } = await serverOfFile({ TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
afterAll(() => expectHealthy(server));

describe('a task on a pull agent', () => {
  test('runs with its input and environment, and its log, process, progress and result come back', async () => {
    const agent = await startAgentProcess(server, {
      name: 'complete',
      env: {
        TASKEJO_AGENT_LABELS: 'complete',
        TASKEJO_AGENT_ENVIRONMENT__SET: '{"FROM_AGENT": "yes"}',
        SECRET: 'mine',
      },
    });
    const command =
      'cat; echo "$COLOUR $FROM_AGENT $SECRET"; echo err >&2; echo "40% going" >"$TASKEJO_PROGRESS"; ' +
      'echo \'{"n": 1}\' >"$TASKEJO_OUTPUT"; while [ ! -f go ]; do sleep 0.05; done';
    const { id } = await tasks.create(command, {
      requires: ['complete'],
      input: 'žluť\n',
      environment: { COLOUR: 'blue' },
    });
    const running = await tasks.until(id, ({ attempt }) => attempt?.progress?.percent === 40);
    expect(running).toMatchObject({ status: 'running', execution_mode: 'http_pull', assigned_agent_id: agent.id });
    const { attempt } = running;
    if (attempt === null) throw new Error('no attempt');
    expect(attempt.process?.pid).toBeGreaterThan(0);
    await waitFor(async () => (await tasks.printed(attempt.id)) === 'žluť\nblue yes \n');
    await waitFor(async () => (await tasks.printed(attempt.id, 'stderr')) === 'err\n');
    writeFileSync(`/proc/${attempt.process?.pid}/cwd/go`, '');
    expect(await tasks.ended(id)).toMatchObject({
      status: 'completed',
      result: { outcome: 'completed', exit_code: 0, output: { n: 1 } },
    });
  });

  test('ends as cancelled with no process left when it is cancelled', async () => {
    await startAgentProcess(server, { name: 'cancelled', env: { TASKEJO_AGENT_LABELS: 'cancelled' } });
    const text = sleepMark();
    const { id } = await tasks.create(`setsid sleep ${text} & sleep ${text}`, { requires: ['cancelled'] });
    await waitFor(() => aliveWith(text).length >= 3);
    await server.api('POST', `/api/v1/tasks/${id}/cancel`, { reason: 'enough' });
    expect(await tasks.ended(id)).toMatchObject({ status: 'cancelled', result: { outcome: 'cancelled' } });
    expect(aliveWith(text)).toEqual([]);
  });

  test('is one of as many as the agent has places', async () => {
    const agent = await startAgentProcess(server, {
      name: 'places',
      env: { TASKEJO_AGENT_LABELS: 'places', TASKEJO_AGENT_CAPACITY: '2' },
    });
    const command = 'while [ ! -f ../../../go ]; do sleep 0.05; done';
    const made = await Promise.all([1, 2, 3].map(() => tasks.create(command, { requires: ['places'] })));
    const statuses = () => Promise.all(made.map(async ({ id }) => (await tasks.task(id)).status));
    await waitFor(async () => (await statuses()).filter((status) => status === 'running').length === 2);
    expect((await statuses()).filter((status) => status === 'pending')).toHaveLength(1);
    const { installation_id } = await server.api<{ installation_id: string }>('GET', '/healthz');
    writeFileSync(join(agent.stateDir, 'work', installation_id, 'go'), '');
    for (const { id } of made) expect(await tasks.ended(id)).toMatchObject({ status: 'completed' });
  });
});

describe('the agent', () => {
  test('registers once, and is the same agent at its next start', async () => {
    const agent = await startAgentProcess(server, { name: 'same' });
    const { id } = agent;
    expect(await agent.stop()).toBe(0);
    await agent.start();
    expect(agent.id).toBe(id);
    const { items } = await server.api<{ items: { name: string }[] }>('GET', '/api/v1/agents');
    expect(items.filter(({ name }) => name === 'same')).toHaveLength(1);
  });

  test('starts from agent.yaml where it is started, as from the environment alone', async () => {
    const agent = await startAgentProcess(server, { name: 'from-a-file', file: true });
    const { id } = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed', assigned_agent_id: agent.id });
  });

  test('works with a token of its own, made on the server', async () => {
    const made = await server.api<{ token: string; agent_id: string }>('POST', '/api/v1/tokens', {
      name: 'own',
      scope: 'agent',
      agent_name: 'own',
    });
    await startAgentProcess(server, {
      name: 'ignored',
      env: { TASKEJO_AGENT_SERVER__TOKEN: made.token, TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: '' },
    });
    const { id } = await tasks.create('true', { agent_id: made.agent_id });
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed', assigned_agent_id: made.agent_id });
  });

  test('is there once for its state: a second start ends with exit code 3', async () => {
    const agent = await startAgentProcess(server, { name: 'once' });
    const env = {
      TASKEJO_AGENT_SERVER__URL: server.url,
      TASKEJO_AGENT_STATE_DIR: agent.stateDir,
      TASKEJO_AGENT_NAME: 'once',
    };
    const second = await taskejo(['agent'], { env, cwd: agent.stateDir });
    expect(second).toMatchObject({ code: 3, stdout: '' });
    expect(second.stderr).toMatch(/^another agent \(pid \d+\) runs on \S+\n$/);
  });

  test('stopped once waits for what runs', async () => {
    const agent = await startAgentProcess(server, { name: 'waits', env: { TASKEJO_AGENT_LABELS: 'waits' } });
    const { id } = await tasks.create('sleep 1; exit 7', { requires: ['waits'] });
    await tasks.until(id, (task) => task.attempt?.process != null);
    expect(await agent.stop()).toBe(0);
    expect(await tasks.task(id)).toMatchObject({ status: 'failed', result: { exit_code: 7 } });
  });

  test('stopped once leaves what runs longer, and finds it again', async () => {
    const env = { TASKEJO_AGENT_LABELS: 'leaves', TASKEJO_AGENT_STOP_GRACE_SECONDS: '0.2' };
    const agent = await startAgentProcess(server, { name: 'leaves', env });
    const { id } = await tasks.create('echo one; while [ ! -f go ]; do sleep 0.05; done; echo two; exit 5', {
      requires: ['leaves'],
    });
    const { attempt } = await tasks.until(id, (task) => task.attempt?.process != null);
    expect(await agent.stop()).toBe(0);
    await waitFor(() => agent.log().includes('these go on'));
    writeFileSync(`/proc/${attempt?.process?.pid}/cwd/go`, '');
    await agent.start();
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 5 } });
    expect(await tasks.attempts(id)).toHaveLength(1);
    expect(await tasks.printed(attempt?.id ?? '')).toBe('one\ntwo\n');
  });

  test('stopped by force ends what runs, and says so', async () => {
    const agent = await startAgentProcess(server, { name: 'force', env: { TASKEJO_AGENT_LABELS: 'force' } });
    const text = sleepMark();
    const { id } = await tasks.create(`sleep ${text}`, { requires: ['force'], max_infra_retries: 0 });
    await tasks.until(id, (task) => task.attempt?.process != null);
    expect(await agent.stop({ force: true })).toBe(1);
    expect(aliveWith(text)).toEqual([]);
    expect(await tasks.task(id)).toMatchObject({
      status: 'failed',
      result: { outcome: 'failed', failure_class: 'infrastructure', error: 'stopped on the machine' },
    });
  });

  test('leaves nothing behind it but its state', async () => {
    const agent = await startAgentProcess(server, { name: 'tidy', env: { TASKEJO_AGENT_LABELS: 'tidy' } });
    const { id } = await tasks.create('echo mess >file', { requires: ['tidy'] });
    const { attempt } = await tasks.ended(id);
    const { installation_id } = await server.api<{ installation_id: string }>('GET', '/healthz');
    const folder = join(agent.stateDir, 'work', installation_id, `a.${attempt?.id}`);
    await waitFor(() => !existsSync(join(folder, 'run')));
    expect(await agent.stop()).toBe(0);
    const { stdout } = await run('sh', ['-c', `ls -A ${agent.stateDir}`], {});
    expect(stdout.split('\n').filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(listProcesses().filter((process) => process.arguments.includes(agent.stateDir))).toEqual([]);
  });
});
