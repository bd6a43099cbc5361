import { afterEach, describe, expect, test } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { startAgentWay } from '../support/agent-way.ts';
import { expectHealthy } from '../support/examine.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { waitFor } from '../support/wait-for.ts';

const { server, tasks } = await serverOfFile();
afterEach(() => expectHealthy(server));

describe('an answer to an agent that gets lost', () => {
  test.each([
    ['dequeue', /\/tasks\/dequeue/],
    ['start', /\/start$/],
    ['log', /\/log\/stdout/],
    ['complete', /\/complete$/],
  ])('does no harm: %s', async (what, path) => {
    const way = await startAgentWay(server.url);
    const loss = way.loseAnswer(path);
    const name = `loses-${what}`;
    const agent = await startAgentProcess(server, { name, env: { TASKEJO_AGENT_SERVER__URL: way.url } });
    const { id } = await tasks.create('echo once; exit 3', { agent_id: agent.id });
    const ended = await tasks.ended(id);
    await waitFor(() => loss.lost() === 1);
    expect(ended).toMatchObject({ status: 'failed', result: { exit_code: 3 } });
    expect(await tasks.printed(ended.attempt?.id ?? '')).toBe('once\n');
    expect((await tasks.events(id)).map(({ type }) => type)).toEqual(['created', 'assigned', 'started', 'failed']);
    const next = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(next.id)).toMatchObject({ status: 'completed' });
  });
});
