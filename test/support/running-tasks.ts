import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { NewTask } from '../../src/domain/task.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { dequeue } from './dequeue.ts';
import { alice, newTask, succeeded } from './tasks.ts';

const never = new AbortController().signal;
const now = { maxTasks: 1, waitSeconds: 0, requestId: null };
const replicaId = randomUUID();

/** The replica that drives what runs on hosts here. */
export const driver = { kind: 'replica', replicaId } as const;
export const holderOf = (agentId: string) => ({ kind: 'agent', agentId, attemptId: null }) as const;
/** What is said of an attempt that was stopped for another task. */
export const stopped = {
  ...succeeded,
  outcome: 'cancelled',
  exitCode: null,
  error: 'a more urgent task took its place',
} as const;

/** Tasks that have been running for a while, and what it takes to have them make room for others. */
export function runningTasks(deps: () => Deps) {
  const create = (changes: Partial<NewTask> = {}) => createTask(deps(), alice, newTask(changes));
  const pull = async (agentId: string) => (await dequeue(deps(), agentId, now, never))[0];
  const dispatch = (...hostIds: string[]) =>
    dispatchToHosts(deps(), { replicaId, hostIds, lastUsed: null, attemptToken: (id) => `token of ${id}` });
  /** Lets a running attempt have run for longer. */
  const age = (attemptId: string, seconds = 100) =>
    sql`update attempts set started_at = started_at - make_interval(secs => ${seconds}) where id = ${attemptId}`.execute(
      deps().db,
    );
  return {
    create,
    pull,
    dispatch,
    age,
    urgent: (changes: Partial<NewTask> = {}) => create({ title: 'urgent', priority: 8, ...changes }),
    async runs(agentId: string, changes: Partial<NewTask> = {}, seconds = 100) {
      const { id } = await create(changes);
      const attemptId = (await pull(agentId))?.attempt.id ?? '';
      await startAttempt(deps(), holderOf(agentId), attemptId, null);
      await age(attemptId, seconds);
      return { id, attemptId };
    },
    async runsOnHost(hostId: string, changes: Partial<NewTask> = {}) {
      const { id } = await create(changes);
      const attemptId = (await dispatch(hostId)).dispatched[0]?.attemptId ?? '';
      await startAttempt(deps(), driver, attemptId, null);
      await age(attemptId);
      return { id, attemptId };
    },
    /** Whether it is asked to stop, for whom, and how often it was stopped for others. */
    async stopOf(id: string) {
      const row = await deps().db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
      return { reason: row.stop_reason, for: row.stop_for, preemptions: row.preemptions };
    },
  };
}
