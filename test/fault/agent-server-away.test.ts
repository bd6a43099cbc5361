import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { expectHealthy } from '../support/examine.ts';
import { aliveWith } from '../support/proc.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { createTaskClient, type TaskClient } from '../support/task-client.ts';
import { waitFor } from '../support/wait-for.ts';

const gone = (attemptId: string) => waitFor(() => aliveWith(attemptId).length === 0);

describe('a server killed under its agents', () => {
  let server: ServerProcess;
  let tasks: TaskClient;
  beforeAll(async () => {
    server = await startServerProcess({ TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
    tasks = createTaskClient(server);
  });
  afterEach(() => expectHealthy(server));
  afterAll(() => server?.stop());

  const begin = async (agentId: string) => {
    const command = 'echo before; while [ ! -f go ]; do sleep 0.02; done; echo after; exit 9';
    const { id } = await tasks.create(command, { agent_id: agentId });
    const { attempt } = await tasks.until(id, (task) => task.attempt?.process != null);
    return { id, attemptId: attempt?.id ?? '', go: `/proc/${attempt?.process?.pid}/cwd/go` };
  };
  const check = async ({ id, attemptId }: { id: string; attemptId: string }) => {
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 9, attempt_id: attemptId } });
    expect(await tasks.printed(attemptId)).toBe('before\nafter\n');
    expect(await tasks.attempts(id)).toHaveLength(1);
  };

  test('gets the result of what ended while it was away, and its whole log', async () => {
    const agent = await startAgentProcess(server, { name: 'stays' });
    const begun = await begin(agent.id);
    const back = server.killAndRestart();
    writeFileSync(begun.go, '');
    await gone(begun.attemptId);
    await back;
    await check(begun);
    const next = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(next.id)).toMatchObject({ status: 'completed' });
  });

  test('gets it also from an agent that was killed meanwhile and started before the server was back', async () => {
    const agent = await startAgentProcess(server, { name: 'restarts' });
    const begun = await begin(agent.id);
    const back = server.killAndRestart();
    writeFileSync(begun.go, '');
    await agent.kill();
    await agent.start({ online: false });
    await gone(begun.attemptId);
    await back;
    await check(begun);
    expect(await agent.stop()).toBe(0);
  });
});
