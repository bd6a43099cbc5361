import { afterEach, describe, expect, test } from 'vitest';
import type { Agent } from '../../src/contract/agent.ts';
import { beginTask, startAgentOnWay } from '../support/agent-on-way.ts';
import { startAgentProcess } from '../support/agent-process.ts';
import { expectHealthy } from '../support/examine.ts';
import { aliveWith } from '../support/proc.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { waitFor } from '../support/wait-for.ts';

const { server, tasks } = await serverOfFile({ TASKEJO_LEASES__SECONDS: '60', TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
afterEach(() => expectHealthy(server));

const agentOnWay = (name: string, env: Record<string, string> = {}) => startAgentOnWay(server, name, env);
const begin = (agentId: string, more: Record<string, unknown> = {}) =>
  beginTask(tasks, 'exit 5', { agent_id: agentId, ...more });

describe('an agent that is told to stop', () => {
  test('hands back what it has taken and not begun, and nothing of it is counted', async () => {
    const { agent, way } = await agentOnWay('hands-back');
    let stopped: Promise<number | null> | null = null;
    way.once(/\/start$/, 'asked', () => {
      stopped = agent.stop();
    });
    const { id } = await tasks.create('echo ran; sleep 600', { agent_id: agent.id });
    await waitFor(() => stopped !== null);
    expect(await stopped).toBe(0);
    expect(await tasks.task(id)).toMatchObject({ status: 'pending', retries: 0, infra_retries: 0, result: null });
    expect(await tasks.attempts(id)).toMatchObject([{ outcome: 'released', process: null }]);
    expect((await tasks.events(id)).map(({ type }) => type).at(-1)).toBe('released');
  });

  test('hands back what it was given and did not hear of', async () => {
    const { agent, way } = await agentOnWay('unheard');
    let stopped: Promise<number | null> | null = null;
    way.once(/\/dequeue/, 'answered', () => {
      stopped = agent.stop();
    });
    const { id } = await tasks.create('echo ran; sleep 600', { agent_id: agent.id });
    await waitFor(() => stopped !== null);
    expect(await stopped).toBe(0);
    expect(await tasks.task(id)).toMatchObject({ status: 'pending', infra_retries: 0 });
    expect(await tasks.attempts(id)).toMatchObject([{ outcome: 'released' }]);
  });

  test('keeps a result that it could not say, and says it at its next start', async () => {
    const { agent, way } = await agentOnWay('keeps', { TASKEJO_AGENT_STOP_GRACE_SECONDS: '0.2' });
    const { id, end } = await begin(agent.id);
    way.cut();
    await end();
    await waitFor(() => agent.log().includes('command ended'));
    expect(await agent.stop()).toBe(0);
    way.restore();
    await agent.start();
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 5 } });
    expect(await tasks.attempts(id)).toHaveLength(1);
  });

  test('twice ends all that runs, also without its server, and says at its next start what became of it', async () => {
    const { agent, way } = await agentOnWay('by-force');
    const { id, attemptId } = await begin(agent.id, { max_infra_retries: 0 });
    way.cut();
    expect(await agent.stop({ force: true })).toBe(1);
    expect(aliveWith(attemptId)).toEqual([]);
    way.restore();
    await agent.start();
    const error = 'stopped on the machine';
    expect((await tasks.ended(id)).result).toMatchObject({ failure_class: 'infrastructure', error });
  });
});

describe('an agent that the server drains', () => {
  test('goes on with what runs, takes nothing new, and takes work at once when that is over', async () => {
    const agent = await startAgentProcess(server, { name: 'drained' });
    const path = `/api/v1/agents/${agent.id}`;
    const running = await begin(agent.id);
    await server.api<Agent>('PATCH', path, { draining: true });
    const { id } = await tasks.create('true', { agent_id: agent.id });
    await waitFor(() => agent.log().includes('the server gives no new work'));
    await running.end();
    expect(await tasks.ended(running.id)).toMatchObject({ result: { exit_code: 5 } });
    expect(await tasks.task(id)).toMatchObject({ status: 'pending', waiting_reason: 'draining' });
    await server.api<Agent>('PATCH', path, { draining: false });
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed' });
  });
});
