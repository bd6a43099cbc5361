import { randomUUIDv7 } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { invalidField } from '../domain/errors.ts';
import { normalizeLabels } from '../domain/match.ts';
import { rankOf } from '../domain/rank.ts';
import type { Actor, AgentMode, NewTask, Task } from '../domain/task.ts';
import { agentModeForNaming } from '../store/agents.ts';
import { laneOf } from '../store/lanes.ts';
import type { Database } from '../store/schema.ts';
import { databaseTime, insertTask } from '../store/task-changes.ts';
import { findTask } from '../store/tasks.ts';
import { checkMode } from './assign-task.ts';
import type { Deps } from './deps.ts';

/** Creates a task; with an agent named it is that agent's from the first moment. Answers it as it stands. */
export async function createTask(deps: Deps, actor: Actor, task: NewTask): Promise<Task> {
  // Looked at before a lane is made for it, and again with the task, when the agent can't be deleted any more.
  await namedMode(deps.db, task);
  const lane = await laneForNew(deps, task);
  const taskId = await deps.db.transaction().execute((trx) => insertNewTask(trx, deps, actor, task, lane));
  wakeForNew(deps, taskId);
  const created = await findTask(deps.db, taskId);
  if (created === null) throw new Error(`task ${taskId} is gone right after its creation`);
  return created;
}

/** The lane stands outside the transaction: two creations of a new lane would wait for each other's commit. */
export const laneForNew = (deps: Pick<Deps, 'db'>, task: NewTask): Promise<number> =>
  laneOf(deps.db, {
    requires: task.namedAgentId === null ? normalizeLabels(task.requires) : [],
    repository: task.namedAgentId === null ? task.repository : null,
    agentId: task.namedAgentId,
  });

export const wakeForNew = (deps: Pick<Deps, 'wakeups'>, taskId: string): void =>
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'task', taskId });

/** Writes a new task within somebody's transaction, ready if its time has come; answers its id. */
export async function insertNewTask(
  trx: Transaction<Database>,
  deps: Pick<Deps, 'settings'>,
  actor: Actor,
  task: NewTask,
  lane: number,
  id: string = randomUUIDv7(),
): Promise<string> {
  const mode = await namedMode(trx, task);
  const at = await databaseTime(trx);
  const waitsSince = task.runAfter !== null && task.runAfter > at ? task.runAfter : at;
  const due = waitsSince === at;
  await insertTask(
    trx,
    {
      id,
      title: task.title,
      body: task.body,
      created_by: JSON.stringify(task.createdBy),
      template: task.template,
      command: [...task.command],
      input: task.input,
      environment: JSON.stringify(task.environment),
      requires: normalizeLabels(task.requires),
      repository: task.repository,
      source: task.source && JSON.stringify(task.source),
      delivery_id: task.deliveryId,
      timeout_seconds: task.timeoutSeconds,
      priority: task.priority,
      rank: rankOf(microsOf(waitsSince), task.priority, deps.settings.dispatch.ageingSecondsPerLevel),
      lane,
      requested_mode: task.executionMode,
      execution_mode: mode ?? task.executionMode,
      status: 'pending',
      ready: due,
      ready_at: due ? at : null,
      due_at: due ? null : task.runAfter,
      run_after: task.runAfter,
      named_agent_id: task.namedAgentId,
      assigned_agent_id: task.namedAgentId,
      assigned_at: task.namedAgentId === null ? null : at,
      repeatable: task.repeatable,
      preemptible: task.preemptible,
      max_retries: task.maxRetries,
      max_infra_retries: task.maxInfraRetries,
      retry_delay_seconds: task.retryDelaySeconds,
      created_at: at,
    },
    { type: 'created', actor, data: createdData(task) },
  );
  return id;
}

const createdData = (task: NewTask) => ({
  title: task.title,
  execution_mode: task.executionMode,
  ...(task.deliveryId === null ? {} : { delivery_id: task.deliveryId }),
  ...(task.namedAgentId === null ? {} : { agent_id: task.namedAgentId }),
});

/** The mode that follows from the agent named; the agent's row is held, so that it can't be deleted meanwhile. */
async function namedMode(db: Kysely<Database>, task: NewTask): Promise<AgentMode | null> {
  if (task.namedAgentId === null) return null;
  const mode = await agentModeForNaming(db, task.namedAgentId);
  if (mode === null) throw invalidField('agent_id', 'names no agent');
  checkMode(mode, task.executionMode === 'undecided' ? null : task.executionMode);
  return mode;
}

/** Microseconds since the epoch of an RFC 3339 time, whose seconds have up to six digits. */
function microsOf(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? '';
  const wholeSeconds = Math.floor(Date.parse(time) / 1000);
  return wholeSeconds * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}
