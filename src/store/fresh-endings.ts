import { type Kysely, sql } from 'kysely';
import { proofOf, type Result } from '../domain/attempt.ts';
import type { Database } from './schema.ts';
import { type ChainHead, type Happening, nextEvent } from './task-changes.ts';

export type FreshEnding = {
  attemptId: string;
  taskId: string;
  /** Where the chain of the task stood when the attempt was given out. */
  head: ChainHead;
  happening: Happening;
  result: Result;
  saidHash: string;
};

/**
 * Completes attempts whose tasks stand exactly as they are remembered: the number of the last event says so for all that
 * an event tells of, and the other conditions for the rest. A row that somebody holds is waited for and judged as it is
 * then; rows are come to in the order of their ids, as by everybody who locks many. Answers the attempts that were
 * completed.
 */
export async function finishFresh(
  db: Kysely<Database>,
  given: readonly FreshEnding[],
  at: string,
): Promise<Set<string>> {
  const endings = given.toSorted((a, b) => (a.taskId < b.taskId ? -1 : 1));
  const events = endings.map(({ head, happening }) => nextEvent(head, happening, at, 'completed'));
  const results = endings.map(({ result }) => result);
  const { rows } = await sql<{ attempt_id: string }>`
    with x as materialized (
      select * from unnest(
        ${endings.map(({ taskId }) => taskId)}::uuid[], ${endings.map(({ attemptId }) => attemptId)}::uuid[],
        ${events.map(({ n }) => n)}::int[], ${events.map(({ text }) => text)}::text[],
        ${events.map(({ hash }) => hash)}::text[], ${endings.map(({ saidHash }) => saidHash)}::text[],
        ${results.map(({ exitCode }) => exitCode)}::int[], ${results.map(({ signal }) => signal)}::text[],
        ${results.map(({ summary }) => summary)}::text[],
        ${results.map(({ output }) => (output === null ? null : JSON.stringify(output)))}::jsonb[],
        ${results.map(({ usage }) => usage && JSON.stringify(usage))}::jsonb[],
        ${results.map((result) => proofOf(result, true))}::text[]
      ) as x(task_id, attempt_id, n, text, hash, said_hash, exit_code, signal, summary, output, usage, proof)),
    changed as (
      update tasks t set
        status = 'completed', finished_at = ${at}, lease_expires_at = null, holder = null,
        event_n = x.n, event_hash = x.hash, updated_at = ${at}
      from x
      where t.id = x.task_id and t.attempt_id = x.attempt_id and t.event_n = x.n - 1
        and t.status in ('assigned', 'running') and not t.has_log and not t.has_dependants
        and t.concurrency_key is null
      returning x.*),
    ended as (
      update attempts a set
        finished_at = ${at}, settled = true, outcome = 'completed', exit_code = c.exit_code, signal = c.signal,
        summary = c.summary, output = c.output, usage = c.usage, proof = c.proof,
        said_hash = c.said_hash
      from changed c
      where a.id = c.attempt_id),
    written as (
      insert into events (task_id, n, attempt_id, type, text, hash)
      select task_id, n, attempt_id, 'completed', text, hash from changed)
    select attempt_id from changed`.execute(db);
  return new Set(rows.map((row) => row.attempt_id));
}
