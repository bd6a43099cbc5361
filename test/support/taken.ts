import { randomUUID } from 'node:crypto';
import type { Result } from '../../src/domain/attempt.ts';
import type { Holder } from '../../src/domain/holder.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { dequeue } from './dequeue.ts';
import { addAgent, alice } from './tasks.ts';

/** A label that no agent of `take` has: one could take a task that requires nothing in place of the one it is for. */
export const WORK = 'work';

export type TakenTask = { attemptId: string; end(result: Result): ReturnType<typeof completeAttempt> };

/** This very task, taken by an agent of its own that it names, whoever is first in order. */
export async function take(deps: Deps, taskId: string): Promise<TakenTask> {
  const agentId = await addAgent(deps.db, `takes-${randomUUID()}`, { capacity: 1 });
  await assignTask(deps, alice, taskId, { agentId, executionMode: null });
  const asked = { maxTasks: 1, waitSeconds: 0, requestId: null };
  const [taken] = await dequeue(deps, agentId, asked, new AbortController().signal);
  if (taken?.task.id !== taskId) throw new Error(`not task ${taskId} was taken but ${taken?.task.id ?? 'none'}`);
  const attemptId = taken.attempt.id;
  const holder: Holder = { kind: 'agent', agentId, attemptId: null };
  return { attemptId, end: (result) => completeAttempt(deps, holder, attemptId, result, { hash: attemptId }) };
}

/** Takes a ready task and ends it with this result; answers what it became. */
export async function workOff(deps: Deps, taskId: string, result: Result) {
  return (await take(deps, taskId)).end(result);
}
