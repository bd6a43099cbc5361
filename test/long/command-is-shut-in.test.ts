import { afterAll, describe, expect, test } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { expectHealthy } from '../support/examine.ts';
import { requireSandbox } from '../support/sandbox.ts';
import { serverOfFile } from '../support/server-of-file.ts';

const { server, tasks } = await serverOfFile({ TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
afterAll(() => expectHealthy(server));

describe('a task that asks for a sandbox', () => {
  test('runs in it on an agent, and survives the agent’s death like any other', async (context) => {
    requireSandbox(context);
    const agent = await startAgentProcess(server, { name: 'shut-in', env: { TASKEJO_AGENT_LABELS: 'shut-in' } });
    const { id } = await tasks.create(
      `ls /home 2>&1; echo "$TASKEJO_URL"; while [ ! -s "$TASKEJO_PROGRESS" ]; do
      echo 5% >"$TASKEJO_PROGRESS"; done; read go; sleep 1; cat ${agent.stateDir}/identity.json 2>&1; exit 3`,
      {
        requires: ['shut-in'],
        sandbox: 'bubblewrap',
        input: 'go\n',
      },
    );
    await tasks.until(id, ({ attempt }) => attempt?.process != null);
    await agent.kill();
    await agent.start();
    const { attempt, result } = await tasks.ended(id);
    expect(result).toMatchObject({ outcome: 'failed', failure_class: 'exit', exit_code: 3 });
    expect(await tasks.printed(attempt?.id ?? '')).toBe(
      `ls: cannot access '/home': No such file or directory\n${server.url}\n` +
        `cat: ${agent.stateDir}/identity.json: No such file or directory\n`,
    );
  });

  test('isn’t given to an agent that hasn’t it, and explain says so', async () => {
    const agent = await startAgentProcess(server, { name: 'without', env: { TASKEJO_AGENT_LABELS: 'without' } });
    const { id } = await tasks.create('true', { requires: ['without'], sandbox: 'container' });
    const said = await server.api<{ agents: { agent_id: string; reasons: { code: string }[] }[] }>(
      'GET',
      `/api/v1/tasks/${id}/explain`,
    );
    expect(said.agents.find(({ agent_id }) => agent_id === agent.id)?.reasons).toMatchObject([
      { code: 'limits_unavailable' },
    ]);
    await server.api('POST', `/api/v1/tasks/${id}/cancel`, {});
  });
});
