import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readKeptResults } from '../../src/agent/kept-results.ts';
import { beginTask, startAgentOnWay } from '../support/agent-on-way.ts';
import { expectHealthy } from '../support/examine.ts';
import { aliveWith } from '../support/proc.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { createTaskClient, type TaskClient } from '../support/task-client.ts';
import { waitFor } from '../support/wait-for.ts';

let server: ServerProcess;
let tasks: TaskClient;
const withServer = (leaseSeconds: string) => {
  beforeAll(async () => {
    server = await startServerProcess({
      TASKEJO_LEASES__SECONDS: leaseSeconds,
      TASKEJO_LEASES__RENEW_SECONDS: '0.5',
      TASKEJO_LEASES__SWEEP_SECONDS: '0.2',
    });
    tasks = createTaskClient(server);
  });
  afterEach(() => expectHealthy(server));
  afterAll(() => server?.stop());
};

const events = async (id: string) => (await tasks.events(id)).map(({ type }) => type);

const agentOnWay = (name: string, env: Record<string, string> = {}) => startAgentOnWay(server, name, env);
const ENDING = 'echo \'{"n": 1}\' >"$TASKEJO_OUTPUT"; echo done; exit 9';
const begin = (agentId: string, more: Record<string, unknown> = {}) =>
  beginTask(tasks, ENDING, { agent_id: agentId, ...more });

const lateResult = { outcome: 'failed', failureClass: 'exit', exitCode: 9, output: { n: 1 } };

describe('an agent that was offline for longer than its lease', () => {
  withServer('4');

  test('says its result all the same: the server notes it as late, and it is kept here for a person', async () => {
    const { agent, way } = await agentOnWay('too-late');
    const { id, attemptId, end } = await begin(agent.id, { repeatable: false });
    way.cut();
    await end();
    const lost = await tasks.ended(id);
    expect(lost).toMatchObject({ status: 'failed', result: { outcome: 'lost' } });
    way.restore();
    await waitFor(() => agent.log().includes('attempt is not ours any more'));
    expect(await events(id)).toEqual(['created', 'assigned', 'started', 'failed', 'late_result']);
    expect((await tasks.events(id)).at(-1)).toMatchObject({
      attempt_id: attemptId,
      data: { outcome: 'failed', exit_code: 9 },
    });
    expect(await tasks.task(id)).toMatchObject({ status: 'failed', result: { outcome: 'lost' } });
    const taken = { attemptId, taskId: id, number: 1, result: expect.objectContaining(lateResult) };
    expect(readKeptResults(agent.stateDir)).toMatchObject([taken]);
    const next = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(next.id)).toMatchObject({ status: 'completed' });
    expect(readKeptResults(agent.stateDir)).toHaveLength(1);
  });

  test('says it also when it was killed meanwhile, and what it was doing ended without it', async () => {
    const { agent, way } = await agentOnWay('killed-too');
    const { id, attemptId, end } = await begin(agent.id, { repeatable: false });
    way.cut();
    await agent.kill();
    await end();
    await tasks.ended(id);
    way.restore();
    await agent.start();
    await waitFor(() => agent.log().includes('attempt is not ours any more'));
    expect((await events(id)).at(-1)).toBe('late_result');
    expect(readKeptResults(agent.stateDir)).toMatchObject([{ attemptId, result: lateResult }]);
  });

  test('keeps no result of what it has to stop, since somebody else does it now', async () => {
    const { agent, way } = await agentOnWay('stops');
    const { id, attemptId } = await begin(agent.id, { repeatable: false });
    way.cut();
    await tasks.ended(id);
    expect(aliveWith(attemptId)).not.toEqual([]);
    way.restore();
    await waitFor(() => agent.log().includes('attempt is not ours any more'));
    await waitFor(() => aliveWith(attemptId).length === 0);
    expect(await events(id)).not.toContain('late_result');
    expect(readKeptResults(agent.stateDir)).toEqual([]);
  });
});

describe('a bad way to the server', () => {
  withServer('60');

  test('leaves a result where it is, though all that the command left on the disk is gone', async () => {
    const { agent, way } = await agentOnWay('wiped');
    const { id, end } = await begin(agent.id);
    way.cut();
    await end();
    await waitFor(() => agent.log().includes('command ended'));
    await agent.kill();
    rmSync(join(agent.stateDir, 'work'), { recursive: true });
    way.restore();
    await agent.start();
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 9, output: { n: 1 } } });
  });

  test('that takes requests and answers none is left after a time, and all comes over afterwards', async () => {
    const { agent, way } = await agentOnWay('half-open', { TASKEJO_AGENT_SERVER__TIMEOUT_SECONDS: '1' });
    const { id, attemptId, end } = await begin(agent.id);
    way.silence();
    await end();
    await waitFor(() => agent.log().includes('control plane away'));
    way.restore();
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 9 } });
    expect(await tasks.printed(attemptId)).toBe('done\n');
  });

  test('that is slow takes longer, and that is all', async () => {
    const { agent, way } = await agentOnWay('slow');
    way.slow(150);
    const { id } = await tasks.create('echo slow; exit 4', { agent_id: agent.id });
    const { result, attempt } = await tasks.ended(id);
    expect(result).toMatchObject({ outcome: 'failed', exit_code: 4 });
    expect(await tasks.printed(attempt?.id ?? '')).toBe('slow\n');
    expect(await events(id)).toEqual(['created', 'assigned', 'started', 'failed']);
  });

  test('on which answers get lost one after the other changes nothing', async () => {
    const { agent, way } = await agentOnWay('lossy');
    for (const path of [/\/dequeue/, /\/start$/, /\/start$/, /\/log\//, /\/log\//, /\/complete$/, /\/complete$/]) {
      way.loseAnswer(path);
    }
    const { id } = await tasks.create('echo once; exit 4', { agent_id: agent.id });
    const { result, attempt } = await tasks.ended(id);
    expect(result).toMatchObject({ exit_code: 4 });
    expect(await tasks.printed(attempt?.id ?? '')).toBe('once\n');
    expect(await events(id)).toEqual(['created', 'assigned', 'started', 'failed']);
    const completions = () => way.passed.filter(({ path }) => path.endsWith(`${attempt?.id}/complete`));
    await waitFor(() => completions().length > 2);
    expect(new Set(completions().map(({ status }) => status))).toEqual(new Set([200]));
  });
});
