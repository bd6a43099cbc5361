import { type Kysely, sql } from 'kysely';
import type { Task, TaskAttempt, TaskResult } from '../domain/task.ts';
import { isFinal, NO_LIMITS } from '../domain/task.ts';
import type { WrittenRow } from './new-tasks.ts';
import type { AttemptRow, Database, TaskRow } from './schema.ts';

type Db = Kysely<Database>;

/** Columns of the current or last attempt, read beside a task. */
type AttemptPart = {
  attempt: Pick<
    AttemptRow,
    | 'id'
    | 'number'
    | 'agent_id'
    | 'started_at'
    | 'process'
    | 'contact'
    | 'outcome'
    | 'exit_code'
    | 'failure_class'
    | 'error'
    | 'summary'
    | 'output'
  > | null;
};
type Row = WrittenRow & AttemptPart;

const withAttempt = (db: Db) =>
  db
    .selectFrom('tasks')
    .leftJoin('attempts as a', 'a.id', 'tasks.attempt_id')
    .selectAll('tasks')
    .select(
      sql<AttemptPart['attempt']>`case when a.id is null then null else jsonb_build_object(
        'id', a.id, 'number', a.number, 'agent_id', a.agent_id, 'process', a.process, 'contact', a.contact,
        'started_at', to_char(a.started_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'outcome', a.outcome, 'exit_code', a.exit_code, 'failure_class', a.failure_class, 'error', a.error,
        'summary', a.summary, 'output', a.output) end`.as('attempt'),
    );

export async function findTask(db: Db, id: string): Promise<Task | null> {
  const row = await withAttempt(db).where('tasks.id', '=', id).executeTakeFirst();
  return row === undefined ? null : toTask(row);
}

/** The tasks of these ids, in the order given; one that doesn't exist is left out. */
export async function findTasks(db: Db, ids: readonly string[]): Promise<Task[]> {
  if (ids.length === 0) return [];
  const rows = await withAttempt(db).where('tasks.id', 'in', ids).execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = byId.get(id);
    return row === undefined ? [] : [toTask(row)];
  });
}

/** A task that was just written, of which nobody has made an attempt. */
export const newTaskOf = (row: WrittenRow): Task => toTask({ ...row, attempt: null });

/** A task that was just taken: its attempt is open, and nothing is known of it yet. */
export const takenTaskOf = (row: TaskRow): Task =>
  toTask({
    ...row,
    attempt: {
      id: row.attempt_id ?? '',
      number: row.attempts,
      agent_id: row.assigned_agent_id ?? '',
      ...UNSTARTED,
    },
  });

const UNSTARTED = {
  started_at: null,
  process: null,
  contact: null,
  outcome: null,
  exit_code: null,
  failure_class: null,
  error: null,
  summary: null,
  output: null,
} as const;

/** The tasks whose current or last attempt is one of these, in the order of the queue. */
export async function findTasksOfAttempts(db: Db, attemptIds: readonly string[]): Promise<Task[]> {
  if (attemptIds.length === 0) return [];
  const rows = await withAttempt(db)
    // By its key: no index leads from an attempt's id to its task.
    .where(sql<boolean>`tasks.id = any(array(select task_id from attempts where id = any(${attemptIds}::uuid[])))`)
    .where(sql<boolean>`a.id = any(${attemptIds}::uuid[])`)
    .orderBy('rank')
    .orderBy('tasks.id')
    .execute();
  return rows.map(toTask);
}

export function toTask(row: Row): Task {
  return {
    id: row.id,
    title: row.title,
    body: row.body,
    status: row.status,
    executionMode: row.execution_mode,
    requestedMode: row.requested_mode,
    priority: row.priority,
    version: row.version,
    createdBy: row.created_by,
    template: row.template,
    command: row.command,
    input: row.input,
    inputBytes: row.input_bytes,
    environment: row.environment,
    requires: row.requires,
    limits: row.limits ?? NO_LIMITS,
    sandbox: row.sandbox,
    outputSchema: row.output_schema as Task['outputSchema'],
    timeoutSeconds: row.timeout_seconds,
    preemptible: row.preemptible,
    repeatable: row.repeatable,
    source: row.source,
    deliveryId: row.delivery_id,
    repository: row.repository,
    namedAgentId: row.named_agent_id,
    assignedAgentId: row.assigned_agent_id,
    assignedAt: row.assigned_at,
    attempt: row.attempt && toTaskAttempt(row, row.attempt),
    ready: row.ready,
    dueAt: row.due_at,
    runAfter: row.run_after,
    dependsOn: row.depends_on,
    unmetDependencies: row.unmet_dependencies,
    onDependencyFailure: row.on_dependency_failure,
    requiresApproval: row.requires_approval,
    approvedAt: row.approved_at,
    concurrencyKey: row.concurrency_key,
    maxRetries: row.max_retries,
    retries: row.retries,
    maxInfraRetries: row.max_infra_retries,
    infraRetries: row.infra_retries,
    retryDelaySeconds: row.retry_delay_seconds,
    stopReason: row.stop_reason,
    stopDetail: row.stop_detail,
    waitingReason: null,
    result: isFinal(row.status) && row.attempt ? toResult(row.attempt) : null,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
  };
}

const toTaskAttempt = (row: Row, attempt: NonNullable<AttemptPart['attempt']>): TaskAttempt => ({
  id: attempt.id,
  number: attempt.number,
  agentId: attempt.agent_id,
  leaseExpiresAt: row.lease_expires_at,
  startedAt: attempt.started_at,
  process: attempt.process,
  contact: attempt.contact,
  progress: row.progress,
});

/** What its last attempt came to, also of a task that was cancelled while it was pending again. */
function toResult(attempt: NonNullable<AttemptPart['attempt']>): TaskResult | null {
  if (attempt.outcome === null) return null;
  return {
    outcome: attempt.outcome,
    exitCode: attempt.exit_code,
    failureClass: attempt.failure_class,
    error: attempt.error,
    summary: attempt.summary,
    output: attempt.output as TaskResult['output'],
    attemptId: attempt.id,
  };
}

/** Ids of pending tasks that name an agent, in the order of their ids. */
export async function pendingTasksNaming(db: Db, agentId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('tasks')
    .select('id')
    .where('status', '=', 'pending')
    .where('named_agent_id', '=', agentId)
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}
