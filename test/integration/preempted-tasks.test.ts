import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { heartbeat } from '../../src/usecases/attempt/heartbeat.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { explainTask } from '../../src/usecases/task/explain-task.ts';
import { getTask, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { preempt } from '../../src/usecases/upkeep/preempt.ts';
import { prepareInstallation } from '../../src/usecases/upkeep/prepare-installation.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { holderOf, runningTasks, stopped } from '../support/running-tasks.ts';
import { addAgent, alice, failed, succeeded } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const { create, pull, age, urgent, runs, stopOf } = runningTasks(() => deps);

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 8 }));
});
afterEach(async () => {
  await deps.stop();
  await deps.db.destroy();
});

const story = async (id: string) => (await listEvents(deps, id, { limit: 50, cursor: null })).items;

describe('a task that is stopped for another', () => {
  it('is told so by renew and by heartbeat, ends preempted, is ready at once, and the other gets its place', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a', { maxRetries: 0 });
    const { id } = await urgent();
    await preempt(deps);
    await prepareInstallation(deps, null);
    expect(await renewAttempt(deps, holderOf('a'), victim.attemptId, null)).toMatchObject({ stopReason: 'preempted' });
    const beat = await heartbeat(deps, 'a', { attemptIds: [victim.attemptId], draining: null, metrics: null });
    expect(beat.cancel).toEqual([{ attemptId: victim.attemptId, reason: 'preempted' }]);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, stopped, { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({
      status: 'pending',
      executionMode: 'undecided',
      ready: true,
      retries: 0,
      infraRetries: 0,
      stopReason: null,
      assignedAgentId: null,
    });
    expect(await stopOf(victim.id)).toEqual({ reason: null, for: null, preemptions: 1 });
    expect((await pull('a'))?.task.id).toBe(id);
    expect(await pull('a')).toBeUndefined();
    await preempt(deps);
    expect((await getTask(deps, id))?.stopReason).toBeNull();
  });

  it('and the other tell in their histories by whom, for whom, and how many seconds were lost', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    const { id } = await urgent();
    await preempt(deps);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, stopped, { hash: 'h' });
    const [asked, ended] = (await story(victim.id)).slice(-2);
    expect(asked).toMatchObject({
      type: 'cancel_requested',
      actor: { kind: 'server' },
      attemptId: victim.attemptId,
      data: { reason: 'preempted', for_task_id: id, for_priority: 8, priority: 3 },
    });
    expect(ended).toMatchObject({ type: 'preempted', fromStatus: 'running', toStatus: 'pending' });
    expect(ended?.data).toMatchObject({
      for_task_id: id,
      seconds_lost: expect.toSatisfy((s: number) => s >= 100 && s < 160),
    });
    expect((await story(id)).at(-1)).toMatchObject({
      type: 'changed',
      actor: { kind: 'server' },
      toStatus: null,
      data: { preempts_task_id: victim.id, agent_id: 'a', seconds_lost: expect.toSatisfy((s: number) => s >= 100) },
    });
  });

  it('is explained without naming the other to who may not see that', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    const { id } = await urgent();
    await preempt(deps);
    const told = async (hidesOthers: boolean) => {
      const explained = await explainTask(deps, victim.id, null, hidesOthers);
      return explained?.reasons.find(({ code }) => code === 'stop_asked')?.message;
    };
    expect(await told(false)).toContain(id);
    expect(await told(true)).toBe('It is asked to stop, since it is to make room.');
  });

  it('is left alone after the second time', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const { id } = await create({ title: 'often stopped' });
    for (const time of [1, 2, 3]) {
      const attemptId = (await pull('a'))?.attempt.id ?? '';
      await startAttempt(deps, holderOf('a'), attemptId, null);
      await age(attemptId);
      const other = await urgent();
      expect(await preempt(deps)).toBe(time < 3 ? 1 : 0);
      if (time === 3) break;
      await completeAttempt(deps, holderOf('a'), attemptId, stopped, { hash: 'h' });
      const taken = await pull('a');
      expect(taken?.task.id).toBe(other.id);
      await completeAttempt(deps, holderOf('a'), taken?.attempt.id ?? '', succeeded, { hash: 'h' });
    }
    expect(await stopOf(id)).toMatchObject({ reason: null, preemptions: 2 });
  });

  it('is completed when it says so all the same, and nothing is counted', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    await urgent();
    await preempt(deps);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, succeeded, { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({ status: 'completed' });
    expect(await stopOf(victim.id)).toMatchObject({ preemptions: 0 });
  });

  it('is cancelled when somebody cancels it before it has ended', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    await urgent();
    await preempt(deps);
    await cancelTask(deps, alice, victim.id, null);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, failed('signal'), { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({ status: 'cancelled' });
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['cancelled', (id) => cancelTask(deps, alice, id, null)],
    ['taken elsewhere', () => addAgent(deps.db, 'b').then(() => pull('b'))],
  ])('stays asked to stop when the other is %s meanwhile', async (_, change) => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    const { id } = await urgent();
    await preempt(deps);
    await change(id);
    expect(await getTask(deps, id)).not.toMatchObject({ status: 'pending' });
    expect(await stopOf(victim.id)).toMatchObject({ reason: 'preempted' });
    await completeAttempt(deps, holderOf('a'), victim.attemptId, stopped, { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({ status: 'pending', ready: true });
  });
});
