import { sql } from 'kysely';
import type { TaskRow } from './schema.ts';

/** Texts that may be large, and that no change of a task asks for. */
const HEAVY = ['body', 'input', 'input_bytes'] as const satisfies readonly (keyof TaskRow)[];
export type Heavy = (typeof HEAVY)[number];

const LIGHT = [
  'id',
  'title',
  'created_by',
  'template',
  'command',
  'environment',
  'requires',
  'repository',
  'source',
  'delivery_id',
  'timeout_seconds',
  'priority',
  'rank',
  'lane',
  'requested_mode',
  'execution_mode',
  'status',
  'ready',
  'ready_at',
  'due_at',
  'run_after',
  'named_agent_id',
  'assigned_agent_id',
  'assigned_at',
  'attempt_id',
  'attempts',
  'lease_expires_at',
  'holder',
  'progress',
  'stop_reason',
  'stop_detail',
  'stop_asked_at',
  'repeatable',
  'preemptible',
  'max_retries',
  'retries',
  'max_infra_retries',
  'infra_retries',
  'retry_delay_seconds',
  'version',
  'event_n',
  'event_hash',
  'created_at',
  'updated_at',
  'finished_at',
  'limits',
  'sandbox',
  'output_schema',
  'created_hash',
  'depends_on',
  'unmet_dependencies',
  'on_dependency_failure',
  'has_dependants',
  'requires_approval',
  'approved_at',
  'concurrency_key',
  'preemptions',
  'stop_for',
  'has_log',
  'named_at',
] as const satisfies readonly (keyof Omit<TaskRow, Heavy>)[];
/** The compiler sees that none is missing. */
const COMPLETE: Exclude<keyof Omit<TaskRow, Heavy>, (typeof LIGHT)[number]> extends never ? typeof LIGHT : never =
  LIGHT;
/** Written out once: a statement of so many names would else take longer to put together than to carry out. */
const list = (names: readonly string[]) => sql.raw(names.map((name) => `"${name}"`).join(', '));
export const LIGHT_COLUMNS = list(COMPLETE);

/** What the database puts into a new row itself: its times, its place in the queue and the head of its chain. */
const MADE = [
  'rank',
  'ready',
  'ready_at',
  'due_at',
  'assigned_at',
  'named_at',
  'created_at',
  'updated_at',
  'event_n',
  'event_hash',
] as const satisfies readonly (keyof TaskRow)[];
export type Made = (typeof MADE)[number];
const isMade = (name: string) => (MADE as readonly string[]).includes(name);
export const GIVEN_COLUMNS = list([...COMPLETE, ...HEAVY].filter((name) => !isMade(name)));
