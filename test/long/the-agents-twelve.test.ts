import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type AgentOptions, type AgentProcess, startAgentProcess } from '../support/agent-process.ts';
import { type AgentWay, startAgentWay } from '../support/agent-way.ts';
import { expectHealthy } from '../support/examine.ts';
import { aliveWith, sleepMark } from '../support/proc.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const { server, tasks } = await serverOfFile({
  TASKEJO_LEASES__SECONDS: '60',
  TASKEJO_LEASES__RENEW_SECONDS: '0.5',
  TASKEJO_PREEMPTION__MIN_RUN_SECONDS: '0',
});
afterEach(() => expectHealthy(server));

const agentNamed = (name: string, more: Partial<AgentOptions> = {}) => startAgentProcess(server, { name, ...more });
const types = async (id: string) => (await tasks.events(id)).map(({ type }) => type);
/** Resolves when nothing of the attempt runs any more, its supervisor included. */
const over = (attemptId: string) => waitFor(() => aliveWith(attemptId).length === 0);

/** An agent whose way to the server can be cut, with tasks that wait for a word of ours. */
async function offlineAgent(name: string): Promise<{ agent: AgentProcess; way: AgentWay }> {
  const way = await startAgentWay(server.url);
  return { way, agent: await agentNamed(name, { env: { TASKEJO_AGENT_SERVER__URL: way.url } }) };
}
async function begin(agentId: string, rest = 'echo done') {
  const { id } = await tasks.create(`while [ ! -f go ]; do sleep 0.02; done; ${rest}`, { agent_id: agentId });
  const { attempt } = await tasks.until(id, (task) => task.attempt?.process != null);
  const attemptId = attempt?.id ?? '';
  const end = async () => {
    writeFileSync(`/proc/${attempt?.process?.pid}/cwd/go`, '');
    await over(attemptId);
  };
  return { id, attemptId, end };
}

describe("the agent's twelve", () => {
  test('fails with retries left: again after the delay', async () => {
    const agent = await agentNamed('retries');
    const { id } = await tasks.create('exit 4', { agent_id: agent.id, max_retries: 1, retry_delay_seconds: 1 });
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', retries: 1, result: { exit_code: 4 } });
    const [first, second] = (await tasks.attempts(id)).toSorted((a, b) => a.number - b.number);
    const waitedMs = Date.parse(second?.leased_at ?? '') - Date.parse(first?.finished_at ?? '');
    expect(waitedMs).toBeGreaterThanOrEqual(800); // a second, give or take a fifth
  });

  test('fails with none left: failed and reported', async () => {
    const agent = await agentNamed('no-retries');
    const { id } = await tasks.create('echo why >&2; exit 3', { agent_id: agent.id });
    const { result, attempt } = await tasks.ended(id);
    expect(result).toMatchObject({ outcome: 'failed', failure_class: 'exit', exit_code: 3 });
    expect(result?.error).toBe('the command ended with exit code 3');
    expect(await tasks.printed(attempt?.id ?? '', 'stderr')).toBe('why\n');
  });

  test('finishes while offline: kept', async () => {
    const { agent, way } = await offlineAgent('keeps');
    const begun = await begin(agent.id, 'echo kept; exit 6');
    way.cut();
    await begun.end();
    await agent.kill();
    expect((await tasks.task(begun.id)).status).toBe('running');
    way.restore();
    await agent.start();
    expect(await tasks.ended(begun.id)).toMatchObject({ status: 'failed', result: { exit_code: 6 } });
    expect(await tasks.printed(begun.attemptId)).toBe('kept\n');
    expect(await tasks.attempts(begun.id)).toHaveLength(1);
  });

  test('back online: reported by itself, in order, once', async () => {
    const { agent, way } = await offlineAgent('reports');
    const [first, second, third] = [await begin(agent.id), await begin(agent.id), await begin(agent.id)];
    way.cut();
    const order = [second, third, first];
    for (const [index, one] of order.entries()) {
      await one.end();
      await waitFor(() => agent.log().split('"msg":"command ended"').length === index + 2);
    }
    way.restore();
    for (const one of order) expect(await tasks.ended(one.id)).toMatchObject({ status: 'completed' });
    const completed = await waitFor(async () => {
      const { items } = await server.api<{ items: { task_id: string; type: string }[] }>(
        'GET',
        '/api/v1/events?limit=200',
      );
      const ends = items.filter(({ type }) => type === 'completed').map(({ task_id }) => task_id);
      const ours = ends.filter((id) => order.some((one) => one.id === id));
      return ours.length === order.length && ours;
    });
    expect(completed).toEqual(order.map(({ id }) => id));
    for (const one of order) {
      expect(await types(one.id)).toEqual(['created', 'assigned', 'started', 'completed']);
      expect(await tasks.printed(one.attemptId)).toBe('done\n');
    }
  });

  test('more than 1 MiB: truncated and marked', async () => {
    const agent = await agentNamed('chatty');
    const { id } = await tasks.create('yes 0123456 | head -c 3000000; printf end', { agent_id: agent.id });
    const { attempt } = await tasks.ended(id);
    const [{ stdout } = { stdout: null }] = await tasks.attempts(id);
    expect(stdout).toMatchObject({ bytes: 3_000_003, stored_bytes: 1024 * 1024, truncated: true });
    const text = await tasks.printed(attempt?.id ?? '');
    expect(text).toContain(`\n[${3_000_003 - 1024 * 1024} bytes left out]\n`);
    expect(text.startsWith('0123456\n')).toBe(true);
    expect(text.endsWith('end')).toBe(true);
  });

  test('starts from agent.yaml', async () => {
    const agent = await agentNamed('from-yaml', { file: true });
    expect(readFileSync(join(agent.stateDir, 'agent.yaml'), 'utf8')).toContain('from-yaml');
    const { id } = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed' });
  });

  test('starts from the environment alone', async () => {
    const agent = await agentNamed('from-environment');
    const { id } = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed' });
  });

  test('a request with its token is accepted, without it refused', async () => {
    const asked = { name: 'own-token', scope: 'agent', agent_name: 'own-token' };
    const { token } = await server.api<{ token: string }>('POST', '/api/v1/tokens', asked);
    const beat = (headers: Record<string, string>) =>
      fetch(`${server.url}/api/v1/agents/me/heartbeat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"attempt_ids": []}',
      });
    expect((await beat({ authorization: `Bearer ${token}` })).status).toBe(200);
    const refused = await beat({});
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ code: 'unauthenticated' });
    expect((await beat({ authorization: `Bearer ${token.slice(0, -1)}` })).status).toBe(401);
  });

  test('dependency not done: waits', async () => {
    const agent = await agentNamed('waits-for-one');
    const first = await begin(agent.id);
    const { id } = await tasks.create('true', { agent_id: agent.id, depends_on: [first.id] });
    const other = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(other.id)).toMatchObject({ status: 'completed' });
    expect(await tasks.task(id)).toMatchObject({ status: 'pending', waiting_reason: 'dependencies' });
    await first.end();
    await tasks.ended(id);
  });

  test('dependencies done: runs', async () => {
    const agent = await agentNamed('waits-for-all');
    const [one, two] = [await begin(agent.id), await begin(agent.id)];
    const { id } = await tasks.create('true', { agent_id: agent.id, depends_on: [one.id, two.id] });
    await one.end();
    await two.end();
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed' });
    const finished = await Promise.all([one, two].map(async (dep) => (await tasks.task(dep.id)).finished_at ?? ''));
    const [attempt] = await tasks.attempts(id);
    expect((attempt?.leased_at ?? '') > (finished.toSorted().at(-1) ?? '')).toBe(true);
  });

  test('priority higher by 3: preempts', async () => {
    const agent = await agentNamed('preempted', { env: { TASKEJO_AGENT_CAPACITY: '1' } });
    const text = sleepMark();
    const flag = join(temporaryFolder(), 'flag');
    const low = await tasks.create(`[ -f ${flag} ] || { touch ${flag}; sleep ${text}; }`, {
      agent_id: agent.id,
      priority: 1,
    });
    await tasks.until(low.id, (task) => task.attempt?.process != null);
    const high = await tasks.create('true', { agent_id: agent.id, priority: 4 });
    expect(await tasks.ended(high.id)).toMatchObject({ status: 'completed' });
    expect(aliveWith(text)).toEqual([]);
    expect(await tasks.ended(low.id)).toMatchObject({ status: 'completed' });
    expect(await types(low.id)).toContain('preempted');
    expect((await tasks.attempts(low.id)).map(({ outcome }) => outcome).toSorted()).toEqual(['completed', 'preempted']);
  });

  test('command not allowed: refused with the rule', async () => {
    // Its token was made on the server, which so hasn't been told of its policy.
    const asked = { name: 'strict', scope: 'agent', agent_name: 'strict' };
    const made = await server.api<{ token: string; agent_id: string }>('POST', '/api/v1/tokens', asked);
    await agentNamed('ignored', {
      env: {
        TASKEJO_AGENT_SERVER__TOKEN: made.token,
        TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: '',
        TASKEJO_AGENT_SECURITY__ALLOWED_COMMANDS: 'make',
      },
    });
    const { id } = await tasks.create('true', { agent_id: made.agent_id });
    const { result } = await tasks.ended(id);
    expect(result).toMatchObject({ outcome: 'failed', failure_class: 'policy' });
    expect(result?.error).toContain('allowed_commands');
  });
});

describe('a pulled task', () => {
  test('that takes longer than its timeout is stopped whole, and failed', async () => {
    const agent = await agentNamed('times-out', { env: { TASKEJO_AGENT_KILL_GRACE_SECONDS: '1' } });
    const text = sleepMark();
    const { id } = await tasks.create(`setsid sleep ${text} & trap '' TERM; sleep ${text}`, {
      agent_id: agent.id,
      timeout_seconds: 1,
    });
    expect(await tasks.ended(id)).toMatchObject({ status: 'failed', result: { failure_class: 'timeout' } });
    expect(aliveWith(text)).toEqual([]);
  });

  test('that is cancelled while it runs is stopped whole, and cancelled', async () => {
    const agent = await agentNamed('is-cancelled');
    const text = sleepMark();
    const { id } = await tasks.create(`setsid sleep ${text} & sleep ${text}`, { agent_id: agent.id });
    await waitFor(() => aliveWith(text).length >= 3);
    await server.api('POST', `/api/v1/tasks/${id}/cancel`, {});
    expect(await tasks.ended(id)).toMatchObject({ status: 'cancelled', result: { outcome: 'cancelled' } });
    expect(aliveWith(text)).toEqual([]);
  });

  test('goes on when its agent is restarted in the middle', async () => {
    const agent = await agentNamed('restarted', { env: { TASKEJO_AGENT_STOP_GRACE_SECONDS: '0' } });
    const begun = await begin(agent.id, 'echo after; exit 2');
    expect(await agent.stop()).toBe(0);
    await agent.start();
    await begun.end();
    expect(await tasks.ended(begun.id)).toMatchObject({ status: 'failed', result: { exit_code: 2 } });
    expect(await types(begun.id)).toEqual(['created', 'assigned', 'started', 'failed']);
  });

  test('is one of many on a queue of two agents: each runs once, on one of them', async () => {
    const env = { TASKEJO_AGENT_LABELS: 'both-of-us', TASKEJO_AGENT_CAPACITY: '2' };
    await Promise.all([agentNamed('one-of-two', { env }), agentNamed('other-of-two', { env })]);
    const [ran, go] = ['ran', 'go'].map((name) => join(temporaryFolder(), name)) as [string, string];
    const command = `echo $TASKEJO_TASK_ID >>${ran}; until [ -f ${go} ]; do sleep 0.05; done`;
    const ids = Array.from({ length: 12 }, () =>
      tasks.create(command, { requires: ['both-of-us'] }).then(({ id }) => id),
    );
    const made = await Promise.all(ids);
    // As many as there are places: so each of the two has some.
    await waitFor(() => existsSync(ran) && readFileSync(ran, 'utf8').trim().split('\n').length === 4);
    writeFileSync(go, '');
    const ended = await Promise.all(made.map((id) => tasks.ended(id)));
    expect(ended.every(({ status }) => status === 'completed')).toBe(true);
    expect(new Set(ended.map(({ assigned_agent_id }) => assigned_agent_id)).size).toBe(2);
    expect(readFileSync(ran, 'utf8').trim().split('\n').toSorted()).toEqual(made.toSorted());
  });
});
