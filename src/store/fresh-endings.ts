import { type Kysely, sql } from 'kysely';
import { proofOf, type Result } from '../domain/attempt.ts';
import { eventTextAround } from '../domain/event.ts';
import { type ChainHead, eventAfter, type Happening, TOLD_NOW } from './event-chain.ts';
import type { Database } from './schema.ts';

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
 * then; rows are come to in the order of their ids, as by everybody who locks many. The time is the statement's, so the
 * database itself writes it into the events, and hashes them. Answers the attempts that were completed.
 */
export async function finishFresh(db: Kysely<Database>, given: readonly FreshEnding[]): Promise<Set<string>> {
  const endings = given.toSorted((a, b) => (a.taskId < b.taskId ? -1 : 1));
  const texts = endings.map(({ head, happening }) => eventTextAround(eventAfter(head, happening, 'completed')));
  const results = endings.map(({ result }) => result);
  const { rows } = await sql<{ attempt_id: string }>`
    with given as (
      select * from unnest(
        ${endings.map(({ taskId }) => taskId)}::uuid[], ${endings.map(({ attemptId }) => attemptId)}::uuid[],
        ${endings.map(({ head }) => head.n)}::int[], ${endings.map(({ head }) => head.hash)}::text[],
        ${texts.map(([before]) => before)}::text[], ${texts.map(([, after]) => after)}::text[],
        ${endings.map(({ saidHash }) => saidHash)}::text[],
        ${results.map(({ exitCode }) => exitCode)}::int[], ${results.map(({ signal }) => signal)}::text[],
        ${results.map(({ summary }) => summary)}::text[],
        ${results.map(({ output }) => (output === null ? null : JSON.stringify(output)))}::jsonb[],
        ${results.map(({ usage }) => usage && JSON.stringify(usage))}::jsonb[],
        ${results.map((result) => proofOf(result, true))}::text[]
      ) as g(task_id, attempt_id, n, previous, before, after, said_hash, exit_code, signal, summary, output, usage, proof)),
    ${TOLD_NOW},
    changed as (
      update tasks t set
        status = 'completed', finished_at = x.at, lease_expires_at = null, holder = null,
        event_n = x.n + 1, event_hash = x.hash, updated_at = x.at
      from x
      where t.id = x.task_id and t.attempt_id = x.attempt_id and t.event_n = x.n
        and t.status in ('assigned', 'running') and not t.has_log and not t.has_dependants
        and t.concurrency_key is null
      returning x.*),
    ended as (
      update attempts a set
        finished_at = c.at, settled = true, outcome = 'completed', exit_code = c.exit_code, signal = c.signal,
        summary = c.summary, output = c.output, usage = c.usage, proof = c.proof,
        said_hash = c.said_hash
      from changed c
      where a.id = c.attempt_id),
    written as (
      insert into events (task_id, n, attempt_id, type, text, hash)
      select task_id, n + 1, attempt_id, 'completed', text, hash from changed)
    select attempt_id from changed`.execute(db);
  return new Set(rows.map((row) => row.attempt_id));
}
