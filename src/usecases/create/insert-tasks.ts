import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { isMet } from '../../domain/dependency.ts';
import { invalidField, underField } from '../../domain/errors.ts';
import { normalizeLabels } from '../../domain/match.ts';
import { rankOf } from '../../domain/rank.ts';
import { type Actor, type AgentMode, isFinal, type NewTask, type Status } from '../../domain/task.ts';
import { agentModeForNaming } from '../../store/agents.ts';
import { announceFinished, insertDependencies, lockDependencies } from '../../store/dependencies.ts';
import { claimKeys } from '../../store/gates.ts';
import { insertTasks, isDue, type NewRow, type RankedRow } from '../../store/new-tasks.ts';
import type { Database } from '../../store/schema.ts';
import { databaseTime } from '../../store/task-changes.ts';
import type { Deps } from '../deps.ts';
import { checkMode } from '../task/assign-task.ts';
import { requireRoom } from './repository-room.ts';

type Trx = Transaction<Database>;

/** A new task with what was found out for it: its id, its lane, and the hash of the body if the caller chose the id. */
export type Planned = { task: NewTask & { id: string }; actor: Actor; lane: number; createdHash: string | null };

export const plan = (task: NewTask, actor: Actor, lane: number, createdHash: string | null = null): Planned => ({
  task: { ...task, id: task.id ?? randomUUIDv7() },
  actor,
  lane,
  createdHash,
});

/**
 * Writes new tasks within somebody's transaction, each ready if all its gates are open. Locks repositories, agents, then
 * the tasks depended on, then keys. Throws `invalid` for an agent or a dependency that doesn't exist, `rate_limited` for
 * one open task too many.
 */
export async function insertNewTasks(
  trx: Trx,
  deps: Pick<Deps, 'settings'>,
  planned: readonly Planned[],
): Promise<RankedRow[]> {
  await requireRoom(
    trx,
    deps,
    planned.map(({ task }) => task),
  );
  const modes = await namedModes(trx, planned);
  const dependencies = await dependenciesOf(trx, planned);
  const at = await databaseTime(trx);
  const rows = planned.map((one) => {
    const mode = one.task.namedAgentId === null ? null : (modes.get(one.task.namedAgentId) ?? null);
    return newRow(one, { mode, unmet: dependencies.unmetOf(one.task) });
  });
  const { ageingSecondsPerLevel } = deps.settings.dispatch;
  const waiting = await withoutKey(
    trx,
    rows.filter((row) => isDue(row, at)),
    ageingSecondsPerLevel,
  );
  const created = rows.map((row, index) => ({
    row: waiting.has(row.id) ? { ...row, ready: false } : row,
    ...madeBy(planned[index] as Planned),
  }));
  const written = await insertTasks(trx, created, { at, ageingSecondsPerLevel });
  await insertDependencies(trx, dependencies.rows);
  await announceFinished(trx, dependencies.failed);
  return written;
}

/** Waits for no other task and names nobody, so that nothing needs to be asked or locked to write it. */
export const isPlain = (task: NewTask): boolean =>
  task.id === null && task.namedAgentId === null && task.dependsOn.length === 0 && task.concurrencyKey === null;

/** Writes plain tasks in one statement. */
export async function insertPlainTasks(
  deps: Pick<Deps, 'hot' | 'settings'>,
  planned: readonly Planned[],
): Promise<RankedRow[]> {
  const created = planned.map((one) => ({
    row: newRow(one, { mode: null, unmet: 0 }),
    ...madeBy(one),
  }));
  const { ageingSecondsPerLevel } = deps.settings.dispatch;
  return insertTasks(deps.hot, created, { at: null, ageingSecondsPerLevel });
}

/** The mode that follows from each agent named; the agents' rows are held, so that they can't be deleted meanwhile. */
async function namedModes(trx: Trx, planned: readonly Planned[]): Promise<Map<string, AgentMode>> {
  const modes = new Map<string, AgentMode>();
  const named = planned.flatMap(({ task }) => (task.namedAgentId === null ? [] : [task.namedAgentId]));
  for (const id of [...new Set(named)].sort()) {
    const mode = await agentModeForNaming(trx, id);
    if (mode === null) throw refused(planned, (task) => task.namedAgentId === id, 'agent_id', 'names no agent');
    modes.set(id, mode);
  }
  for (const { task } of planned) {
    const mode = task.namedAgentId === null ? undefined : modes.get(task.namedAgentId);
    if (mode !== undefined) checkMode(mode, task.executionMode === 'undecided' ? null : task.executionMode);
  }
  return modes;
}

/** Of several tasks the field is named with the place of the first that has it. */
export function refused(
  tasks: readonly { task: NewTask }[],
  has: (task: NewTask) => boolean,
  field: string,
  message: string,
): unknown {
  const error = invalidField(field, message);
  const at = tasks.findIndex(({ task }) => has(task));
  return tasks.length === 1 ? error : underField(error, at);
}

type Dependencies = {
  rows: { taskId: string; dependsOn: string; met: boolean }[];
  /** Ended already, but not as their dependants need it. */
  failed: string[];
  unmetOf: (task: Planned['task']) => number;
};

async function dependenciesOf(trx: Trx, planned: readonly Planned[]): Promise<Dependencies> {
  const own = new Set(planned.map(({ task }) => task.id));
  const wanted = [...new Set(planned.flatMap(({ task }) => task.dependsOn))];
  const standing = await lockDependencies(
    trx,
    wanted.filter((id) => !own.has(id)),
  );
  const missing = wanted.find((id) => !own.has(id) && !standing.has(id));
  if (missing !== undefined)
    throw refused(planned, (task) => task.dependsOn.includes(missing), 'depends_on', `there is no task ${missing}`);
  const statusOf = (id: string): Status => standing.get(id) ?? 'pending';
  const rows = planned.flatMap(({ task }) =>
    task.dependsOn.map((id) => ({
      taskId: task.id,
      dependsOn: id,
      met: isMet(statusOf(id), task.onDependencyFailure),
    })),
  );
  const unmet = rows.filter((row) => !row.met);
  return {
    rows,
    failed: [...new Set(unmet.map((row) => row.dependsOn).filter((id) => isFinal(statusOf(id))))],
    unmetOf: (task) => unmet.filter((row) => row.taskId === task.id).length,
  };
}

/** Of rows that would be ready, those whose concurrency key somebody else holds; the best-ranked of a key gets it. */
async function withoutKey(trx: Trx, rows: readonly NewRow[], ageingSecondsPerLevel: number): Promise<Set<string>> {
  // They are as old as each other.
  const rank = ({ priority }: NewRow) => rankOf(0, priority, ageingSecondsPerLevel);
  const keyed = rows
    .filter((row) => row.ready && row.concurrency_key !== null)
    .toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
  const holding = await claimKeys(
    trx,
    keyed.map((row) => ({ key: row.concurrency_key ?? '', taskId: row.id })),
  );
  return new Set(keyed.filter((row) => !holding.has(row.id)).map((row) => row.id));
}

const madeBy = ({ task, actor }: Planned) => ({ actor, data: createdData(task) });

const createdData = (task: NewTask) => ({
  title: task.title,
  execution_mode: task.executionMode,
  ...(task.deliveryId === null ? {} : { delivery_id: task.deliveryId }),
  ...(task.namedAgentId === null ? {} : { agent_id: task.namedAgentId }),
});

/** The row of a new task, pending; `ready` unless something but its time or its key keeps it. */
export function newRow(
  { task, lane, createdHash }: Planned,
  { mode, unmet }: { mode: AgentMode | null; unmet: number },
): NewRow {
  const ready = unmet === 0 && !task.requiresApproval;
  return {
    ...UNTOUCHED,
    id: task.id,
    title: task.title,
    body: task.body,
    created_by: task.createdBy,
    template: task.template,
    command: [...task.command],
    input: task.input,
    input_bytes: task.inputBytes === null ? null : Buffer.from(task.inputBytes),
    environment: task.environment,
    requires: normalizeLabels(task.requires),
    limits: Object.values(task.limits).every((limit) => limit === null) ? null : task.limits,
    sandbox: task.sandbox,
    output_schema: task.outputSchema as NewRow['output_schema'],
    repository: task.repository,
    source: task.source,
    delivery_id: task.deliveryId,
    timeout_seconds: task.timeoutSeconds,
    priority: task.priority,
    lane,
    requested_mode: task.executionMode,
    execution_mode: mode ?? task.executionMode,
    ready,
    run_after: task.runAfter,
    depends_on: [...task.dependsOn],
    unmet_dependencies: unmet,
    on_dependency_failure: task.onDependencyFailure,
    requires_approval: task.requiresApproval,
    concurrency_key: task.concurrencyKey,
    named_agent_id: task.namedAgentId,
    assigned_agent_id: task.namedAgentId,
    repeatable: task.repeatable,
    preemptible: task.preemptible,
    max_retries: task.maxRetries,
    max_infra_retries: task.maxInfraRetries,
    retry_delay_seconds: task.retryDelaySeconds,
    created_hash: createdHash,
  };
}

/** What every task begins with. */
const UNTOUCHED = {
  status: 'pending',
  attempt_id: null,
  attempts: 0,
  lease_expires_at: null,
  holder: null,
  progress: null,
  stop_reason: null,
  stop_detail: null,
  stop_asked_at: null,
  stop_for: null,
  retries: 0,
  infra_retries: 0,
  preemptions: 0,
  has_dependants: false,
  has_log: false,
  approved_at: null,
  version: 1,
  finished_at: null,
} as const;
