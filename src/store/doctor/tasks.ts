import { sql, type Transaction } from 'kysely';
import type {
  ExaminedAttempt,
  ExaminedDependency,
  ExaminedEvent,
  ExaminedTask,
  TaskFacts,
} from '../../domain/doctor/facts.ts';
import type { AgentMode } from '../../domain/task.ts';
import { onlyRow } from '../answers.ts';
import type { Database } from '../schema.ts';

type Trx = Transaction<Database>;

/**
 * What came due before this moment was seen by sweeps for so many seconds. Sweeps that don't run make nothing overdue:
 * a server that stands still is no breach.
 */
export async function overdueBy(trx: Trx, patienceSeconds: number): Promise<string> {
  const { rows } = await sql<{ at: string }>`
    select greatest(previous_at - make_interval(secs => ${patienceSeconds}), 'epoch') as at from beat`.execute(trx);
  return onlyRow(rows).at;
}

export type TaskToExamine = { task: ExaminedTask; lane: TaskFacts['lane'] };

const examined = sql`
  t.id, t.status, t.execution_mode as "executionMode", t.requires, t.repository, t.ready, t.due_at as "dueAt",
  t.run_after as "runAfter", t.named_at as "namedAt", t.assigned_at as "assignedAt",
  t.named_agent_id as "namedAgentId", t.assigned_agent_id as "assignedAgentId", t.attempt_id as "attemptId",
  t.attempts, t.lease_expires_at as "leaseExpiresAt", t.holder, t.retries, t.infra_retries as "infraRetries",
  t.depends_on as "dependsOn", t.unmet_dependencies as "unmetDependencies",
  t.on_dependency_failure as "onDependencyFailure", t.requires_approval as "requiresApproval",
  t.approved_at as "approvedAt", t.concurrency_key as "concurrencyKey", t.event_n as "eventN",
  t.event_hash as "eventHash", t.updated_at as "updatedAt", l.id as lane_id, l.requires as lane_requires,
  l.repository as lane_repository, l.agent_id as lane_agent`;

type Row = ExaminedTask & {
  lane_id: number | null;
  lane_requires: string[] | null;
  lane_repository: string | null;
  lane_agent: string | null;
};

/**
 * Tasks in the order of their ids, after one of them: as many as have so many events together, one at least. So a
 * batch is bounded in tasks and in what belongs to them.
 */
export async function tasksToExamine(
  trx: Trx,
  after: string | null,
  limit: { tasks: number; events: number },
): Promise<TaskToExamine[]> {
  const { rows } = await sql<Row>`
    select ${examined}
    from (
      select *, sum(event_n) over (order by id) - event_n as events_before
      from (select * from tasks where ${after}::uuid is null or id > ${after}::uuid order by id limit ${limit.tasks}) b) t
    left join lanes l on l.id = t.lane
    where t.events_before = 0 or t.events_before + t.event_n <= ${limit.events}
    order by t.id`.execute(trx);
  return rows.map(toExamine);
}

export async function taskToExamine(trx: Trx, id: string): Promise<TaskToExamine | null> {
  const { rows } = await sql<Row>`
    select ${examined} from tasks t left join lanes l on l.id = t.lane where t.id = ${id}`.execute(trx);
  return rows[0] === undefined ? null : toExamine(rows[0]);
}

const toExamine = ({ lane_id, lane_requires, lane_repository, lane_agent, ...task }: Row): TaskToExamine => ({
  task,
  lane: lane_id === null ? null : { requires: lane_requires ?? [], repository: lane_repository, agentId: lane_agent },
});

export async function attemptsOf(
  trx: Trx,
  taskIds: readonly string[],
): Promise<(ExaminedAttempt & { taskId: string })[]> {
  const { rows } = await sql<ExaminedAttempt & { taskId: string }>`
    select task_id as "taskId", id, number, execution_mode as "executionMode", agent_id as "agentId",
      started_at as "startedAt", finished_at as "finishedAt", settled, dead_by as "deadBy", outcome,
      failure_class as "failureClass"
    from attempts where task_id = any(${taskIds}::uuid[]) order by task_id, number`.execute(trx);
  return rows;
}

export async function eventsOf(trx: Trx, taskIds: readonly string[]): Promise<(ExaminedEvent & { taskId: string })[]> {
  const { rows } = await sql<ExaminedEvent & { taskId: string }>`
    select task_id as "taskId", n, attempt_id as "attemptId", type, text, hash
    from events where task_id = any(${taskIds}::uuid[]) order by task_id, n`.execute(trx);
  return rows;
}

export async function dependenciesOf(
  trx: Trx,
  taskIds: readonly string[],
): Promise<(ExaminedDependency & { taskId: string })[]> {
  const { rows } = await sql<ExaminedDependency & { taskId: string }>`
    select d.task_id as "taskId", d.depends_on as id, d.met, t.status, t.finished_at as "finishedAt",
      exists (select from pruned_tasks p where p.task_id = d.depends_on) as pruned,
      exists (select from events e where e.task_id = d.depends_on and e.type = 'retried') as retried,
      f.task_id is not null and (f.told_up_to is null or f.told_up_to < d.task_id) as announced
    from task_dependencies d
    left join tasks t on t.id = d.depends_on
    left join finished_dependencies f on f.task_id = d.depends_on
    where d.task_id = any(${taskIds}::uuid[])
    order by d.task_id, d.depends_on`.execute(trx);
  return rows;
}

/** Who holds which key, of keys that these tasks hold or want. */
export async function keysOf(
  trx: Trx,
  taskIds: readonly string[],
  wanted: readonly string[],
): Promise<{ key: string; taskId: string }[]> {
  const { rows } = await sql<{ key: string; taskId: string }>`
    select key, task_id as "taskId" from concurrency
    where key = any(${wanted}::text[]) or task_id = any(${taskIds}::uuid[])`.execute(trx);
  return rows;
}

export async function agentsOf(
  trx: Trx,
  ids: readonly string[],
): Promise<Map<string, { executionMode: AgentMode; deleted: boolean }>> {
  const { rows } = await sql<{ id: string; executionMode: AgentMode; deleted: boolean }>`
    select id, execution_mode as "executionMode", deleted_at is not null as deleted
    from agents where id = any(${ids}::text[])`.execute(trx);
  return new Map(rows.map(({ id, ...agent }) => [id, agent]));
}
