import { sql, type Transaction } from 'kysely';
import { type Happening, headOf, nextEvent } from './event-chain.ts';
import type { AttemptRow, Database, TaskRow } from './schema.ts';
import type { LockedTask } from './task-changes.ts';

type Trx = Transaction<Database>;

/** What the end of an attempt changes of its task; all of it is written. */
export type EndedTask = Pick<
  TaskRow,
  | 'status'
  | 'execution_mode'
  | 'assigned_agent_id'
  | 'assigned_at'
  | 'progress'
  | 'stop_reason'
  | 'stop_detail'
  | 'stop_asked_at'
  | 'stop_for'
  | 'retries'
  | 'infra_retries'
  | 'preemptions'
  | 'ready'
  | 'ready_at'
  | 'due_at'
  | 'finished_at'
>;

/** What the end of an attempt changes of the attempt. JSON stands there as what it says. */
export type EndedAttempt = Pick<
  AttemptRow,
  | 'finished_at'
  | 'settled'
  | 'outcome'
  | 'failure_class'
  | 'exit_code'
  | 'signal'
  | 'error'
  | 'summary'
  | 'output'
  | 'usage'
  | 'proof'
  | 'left_processes'
  | 'said_hash'
>;

export type WrittenEnding = {
  task: LockedTask;
  attemptId: string;
  endedTask: EndedTask;
  endedAttempt: EndedAttempt;
  happening: Happening;
};

/**
 * Ends attempts, changes their tasks and writes the events, in one statement. The tasks' rows are locked by the caller;
 * should one be another than was read all the same, this throws and nothing is written.
 */
export async function writeEndings(trx: Trx, endings: readonly WrittenEnding[]): Promise<void> {
  if (endings.length === 0) return;
  const events = endings.map(({ task, happening, endedTask }) =>
    nextEvent(headOf(task), happening, task.at, endedTask.status),
  );
  const tasks = endings.map(({ task, attemptId, endedTask }, index) => ({
    ...ended(endedTask),
    id: task.id,
    attempt_id: attemptId,
    event_n: events[index]?.n,
    event_hash: events[index]?.hash,
    updated_at: task.at,
  }));
  const attempts = endings.map(({ attemptId, endedAttempt }) => ({ ...endedAttempt, id: attemptId }));
  const { rows } = await sql<{ changed: number }>`
    with x as materialized (select * from json_populate_recordset(null::tasks, ${JSON.stringify(tasks)}::json)),
    changed as (
      update tasks t set
        status = x.status, execution_mode = x.execution_mode, assigned_agent_id = x.assigned_agent_id,
        assigned_at = x.assigned_at, progress = x.progress, stop_reason = x.stop_reason, stop_detail = x.stop_detail,
        stop_asked_at = x.stop_asked_at, stop_for = x.stop_for, retries = x.retries, infra_retries = x.infra_retries,
        preemptions = x.preemptions, ready = x.ready, ready_at = x.ready_at, due_at = x.due_at,
        finished_at = x.finished_at, lease_expires_at = null, holder = null,
        event_n = x.event_n, event_hash = x.event_hash, updated_at = x.updated_at
      from x where t.id = x.id and t.attempt_id = x.attempt_id and t.event_n = x.event_n - 1
      returning t.id),
    ended as (
      update attempts a set
        finished_at = y.finished_at, settled = y.settled, outcome = y.outcome, failure_class = y.failure_class,
        exit_code = y.exit_code, signal = y.signal, error = y.error, summary = y.summary, output = y.output,
        usage = y.usage, proof = y.proof, left_processes = y.left_processes, said_hash = y.said_hash
      from json_populate_recordset(null::attempts, ${JSON.stringify(attempts)}::json) y
      where a.id = y.id and coalesce(a.finished_at is null, false)),
    written as (
      insert into events (task_id, n, attempt_id, type, text, hash)
      select * from unnest(
        ${tasks.map(({ id }) => id)}::uuid[], ${events.map(({ n }) => n)}::int[],
        ${attempts.map(({ id }) => id)}::uuid[], ${endings.map(({ happening }) => happening.type)}::text[],
        ${events.map(({ text }) => text)}::text[], ${events.map(({ hash }) => hash)}::text[]))
    select count(*)::int as changed from changed`.execute(trx);
  if (rows[0]?.changed !== endings.length) throw new Error('an attempt was not as it was locked; nothing was written');
}

/** A row may hold more than the end of an attempt changes. */
const ended = (task: EndedTask): EndedTask => ({
  status: task.status,
  execution_mode: task.execution_mode,
  assigned_agent_id: task.assigned_agent_id,
  assigned_at: task.assigned_at,
  progress: task.progress,
  stop_reason: task.stop_reason,
  stop_detail: task.stop_detail,
  stop_asked_at: task.stop_asked_at,
  stop_for: task.stop_for,
  retries: task.retries,
  infra_retries: task.infra_retries,
  preemptions: task.preemptions,
  ready: task.ready,
  ready_at: task.ready_at,
  due_at: task.due_at,
  finished_at: task.finished_at,
});
