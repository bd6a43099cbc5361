import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { startAgentProcess } from '../support/agent-process.ts';
import { aliveWith, sleepMark } from '../support/proc.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const { server, tasks } = await serverOfFile({
  TASKEJO_LEASES__RENEW_SECONDS: '0.5',
  TASKEJO_PREEMPTION__MIN_RUN_SECONDS: '0',
});

test('a task whose priority is higher by 3 takes the place of a running one, which runs again after it', async () => {
  await startAgentProcess(server, {
    name: 'one-place',
    env: { TASKEJO_AGENT_LABELS: 'one-place', TASKEJO_AGENT_CAPACITY: '1' },
  });
  const mark = sleepMark();
  const began = join(temporaryFolder(), 'began');
  const slowAtFirst = `[ -e ${began} ] && exit; touch ${began}; setsid sleep ${mark} & sleep ${mark}`;
  const low = await tasks.create(slowAtFirst, { requires: ['one-place'], priority: 3, repeatable: true });
  await waitFor(() => aliveWith(mark).length >= 3);
  const high = await tasks.create('true', { requires: ['one-place'], priority: 6 });
  expect(await tasks.ended(high.id)).toMatchObject({ status: 'completed', attempt: { number: 1 } });
  expect(aliveWith(mark)).toEqual([]);
  expect(await tasks.ended(low.id)).toMatchObject({ status: 'completed', retries: 0, infra_retries: 0 });
  const [stopped, completed] = await tasks.attempts(low.id);
  expect([stopped?.outcome, completed?.outcome]).toEqual(['preempted', 'completed']);
  const ended = (await tasks.events(low.id)).find(({ type }) => type === 'preempted');
  expect(ended?.data).toMatchObject({ for_task_id: high.id, seconds_lost: expect.any(Number) });
});

type Taken = { tasks: (Task & { attempt: { id: string } })[] };
type Told = { cancel_requested: boolean; cancel_reason: string | null };

/** An agent with one place and a label like its name, whose only task runs; calls are made as this agent. */
async function busyAgent(name: string) {
  const body = { name, labels: [name], capacity: 1 };
  const { token } = await server.api<{ token: string }>('POST', '/api/v1/agents/register', body);
  const call = <T>(path: string, body: unknown) => server.api<T>('POST', `/api/v1/${path}`, body, token);
  const { id } = await tasks.create('true', { requires: [name], priority: 3 });
  const [taken] = (await call<Taken>('tasks/dequeue', { wait_seconds: 20 })).tasks;
  const attemptId = taken?.attempt.id ?? '';
  await call(`attempts/${attemptId}/start`, {});
  return { id, attemptId, call, renew: () => call<Told>(`attempts/${attemptId}/renew`, {}) };
}

test('an agent is told by renew and by heartbeat to make room, for a priority higher by 3 and not by 2', async () => {
  const near = await busyAgent('near');
  const far = await busyAgent('far');
  await tasks.create('true', { requires: ['near'], priority: 5 });
  const urgent = await tasks.create('true', { requires: ['far'], priority: 6 });
  const told = await waitFor(async () => (await far.renew()).cancel_requested && far.renew());
  expect(told).toMatchObject({ cancel_requested: true, cancel_reason: 'preempted' });
  expect(await near.renew()).toMatchObject({ cancel_requested: false, cancel_reason: null });
  const beat = await far.call('agents/me/heartbeat', { attempt_ids: [far.attemptId] });
  expect(beat).toMatchObject({ cancel: [{ attempt_id: far.attemptId, reason: 'preempted' }] });
  const said = await far.call(`attempts/${far.attemptId}/complete`, { outcome: 'cancelled' });
  expect(said).toMatchObject({ task_status: 'pending' });
  const { tasks: taken } = await far.call<Taken>('tasks/dequeue', { max_tasks: 9, wait_seconds: 20 });
  expect(taken.map(({ id }) => id)).toEqual([urgent.id]);
});
