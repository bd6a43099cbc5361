import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { deliver, startConfiguredServer } from '../support/configured.ts';
import { recorded } from '../support/recordings.ts';
import { describeIf } from '../support/require.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { createTaskClient } from '../support/task-client.ts';

const comment = recorded('v15', 'alice comments: /run fix this please');

describeIf('sshd', 'from a recorded delivery to a result', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  it('a delivery becomes an undecided task that a matching host does over SSH', async () => {
    const server = await startConfiguredServer(sshd, {
      command: ['sh', '-c', 'cat; echo on $TASKEJO_REPOSITORY $TASKEJO_ISSUE'],
      input: '{{ issue.title }}: {{ words }}\n',
      requires: ['linux'],
    });
    const client = createTaskClient(server);
    const { status, answer } = await deliver(server, comment);
    expect({ status, decision: answer.decision }).toEqual({ status: 202, decision: 'task_created' });
    const task = await client.ended(answer.task_ids[0] ?? '');
    expect(task).toMatchObject({
      status: 'completed',
      requested_mode: 'undecided',
      execution_mode: 'ssh_cli',
      assigned_agent_id: 'box',
      result: { outcome: 'completed', exit_code: 0 },
    });
    const issue = JSON.parse(comment.body).issue as { title: string; number: number };
    expect(await client.printed(task.attempt?.id ?? '')).toBe(
      `${issue.title}: fix this please\non main:alice/widgets ${issue.number}\n`,
    );
    const [created] = await client.events(task.id);
    expect(created).toMatchObject({ type: 'created', data: { execution_mode: 'undecided' } });
  });

  it('a delivery whose label no host has is left to agents, and one that pulls does it', async () => {
    const server = await startConfiguredServer(sshd, { command: ['echo', 'pulled'], requires: ['gpu'] });
    const client = createTaskClient(server);
    const { answer } = await deliver(server, comment);
    const id = answer.task_ids[0] ?? '';
    await client.until(id, (task) => task.execution_mode === 'http_pull');
    expect((await client.task(id)).status).toBe('pending');
    const agent = await startAgentProcess(server, { name: 'gpu-box', env: { TASKEJO_AGENT_LABELS: 'gpu,linux' } });
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'completed', execution_mode: 'http_pull', assigned_agent_id: agent.id });
    expect(await client.printed(task.attempt?.id ?? '')).toBe('pulled\n');
    expect((await client.events(id)).map(({ type }) => type)).toEqual([
      'created',
      'mode_decided',
      'assigned',
      'started',
      'completed',
    ]);
  });

  it('a coordinator assigns a task that a host could take to an agent, and the agent does it', async () => {
    const server = await startConfiguredServer(null, { command: ['echo', 'assigned'], requires: ['linux'] });
    const client = createTaskClient(server);
    const { answer } = await deliver(server, comment);
    const id = answer.task_ids[0] ?? '';
    const agent = await startAgentProcess(server, { name: 'laptop' });
    const named = await server.api('POST', `/api/v1/tasks/${id}/assign`, { agent_id: agent.id });
    expect(named).toMatchObject({ named_agent_id: agent.id, execution_mode: 'http_pull', status: 'pending' });
    expect(await client.ended(id)).toMatchObject({ status: 'completed', assigned_agent_id: agent.id });
  });

  it('a delivery with one byte changed is refused and leaves no trace', async () => {
    const server = await startConfiguredServer(null, { command: ['true'], requires: [] });
    const { status } = await deliver(server, comment, comment.body.replace('please', 'pleasE'));
    expect(status).toBe(401);
    expect(await server.api('GET', '/api/v1/deliveries')).toEqual({ items: [], next_cursor: null });
    expect(await server.api('GET', '/api/v1/tasks')).toEqual({ items: [], next_cursor: null });
  });
});

it('the same delivery twice makes one task, over HTTP too', async () => {
  const server = await startConfiguredServer(null, { command: ['true'], requires: ['nobody'] });
  const answers = await Promise.all([deliver(server, comment), deliver(server, comment)]);
  expect(answers.map(({ answer }) => answer.decision).sort()).toEqual(['merged', 'task_created']);
  expect(new Set(answers.flatMap(({ answer }) => answer.task_ids)).size).toBe(1);
});
