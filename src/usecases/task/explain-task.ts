import type { Kysely } from 'kysely';
import { type GateFacts, KEPT_FROM_NOBODY, type Taker } from '../../domain/explain/facts.ts';
import { type Explanation, explainNotPending, explainPending } from '../../domain/explain.ts';
import { hasLabels } from '../../domain/match.ts';
import type { AgentMode, Status, Task } from '../../domain/task.ts';
import { agentNames } from '../../store/agents.ts';
import { avoidances, countAhead, deadBy, gateFacts, takers } from '../../store/explain.ts';
import { newestLane } from '../../store/lanes.ts';
import { findWaitingTask, stoppableTasks } from '../../store/preemption.ts';
import type { Database } from '../../store/schema.ts';
import { findTask } from '../../store/tasks.ts';
import type { Deps } from '../deps.ts';

type Reading = Pick<Deps, 'db' | 'lanes' | 'settings'>;

/** `ahead`: how many tasks come before it, as far as they are counted. */
export type Explained = Explanation & { taskId: string; status: Status; ahead: number };

/**
 * Why nobody takes a task now, agent by agent; null if there is no such task. Everything is read from one snapshot, so
 * that no two things are said that never were true together. `reader` is the agent that asks: it is told of itself and
 * of no other; null for whoever may see all. `hidesOthers`: other tasks are not named.
 */
export async function explainTask(
  deps: Reading,
  id: string,
  reader: string | null,
  hidesOthers = reader !== null,
): Promise<Explained | null> {
  return deps.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const task = await findTask(trx, id);
      if (task === null) return null;
      const explained =
        task.status === 'pending'
          ? await pending(deps, trx, task, reader, hidesOthers)
          : await notPending(trx, hidesOthers ? withoutRival(task) : task);
      return { taskId: task.id, status: task.status, ...explained };
    });
}

async function pending(
  deps: Reading,
  db: Kysely<Database>,
  task: Task,
  reader: string | null,
  hidesOthers: boolean,
): Promise<Explanation & { ahead: number }> {
  const all = await takers(db);
  const kept = (await avoidances(db, [task.id])).get(task.id) ?? KEPT_FROM_NOBODY;
  const gates = await gateFacts(db, task);
  const matching = all.filter((taker) => couldEver(task, taker));
  const spared = task.ready ? await sparedAgents(deps, db, task.id, matching) : new Set<string>();
  const surroundings = { takers: all, kept, spared, gates: hidesOthers ? withoutNames(gates) : gates };
  await deps.lanes.upTo(db, await newestLane(db));
  const served = (mode: AgentMode) =>
    deps.lanes.servedBy(matching.filter(({ executionMode }) => executionMode === mode));
  const ahead = await countAhead(db, task.id, { pull: served('http_pull'), hosts: served('ssh_cli') });
  return { ...explainPending(task, surroundings, reader), ahead };
}

/** Full agents on which the task would have something stopped if that had not made room as often as it must. */
async function sparedAgents(
  { settings }: Reading,
  db: Kysely<Database>,
  taskId: string,
  matching: readonly Taker[],
): Promise<Set<string>> {
  const full = matching.filter(({ running, capacity }) => running >= capacity).map(({ id }) => id);
  const waiting = full.length === 0 ? null : await findWaitingTask(db, taskId);
  if (waiting === null) return new Set();
  const { maxPerTask } = settings.preemption;
  const running = await stoppableTasks(db, full, waiting, { ...settings.preemption, maxPerTask: NO_LIMIT });
  const byAgent = Map.groupBy(running, ({ agentId }) => agentId);
  const spared = [...byAgent].filter(([, tasks]) => tasks.every(({ preemptions }) => preemptions >= maxPerTask));
  return new Set(spared.map(([id]) => id));
}
const NO_LIMIT = 2 ** 31 - 1;

const withoutNames = ({ keyHolder }: GateFacts): GateFacts => ({ unmet: [], keyHolder: keyHolder && { id: null } });

/** For which task it is to make room is said in the detail. */
const withoutRival = (task: Task): Task => (task.stopReason === 'preempted' ? { ...task, stopDetail: null } : task);

/** By mode, labels or name, whatever else keeps the two apart for now. */
const couldEver = (task: Task, taker: Taker): boolean =>
  task.namedAgentId === null
    ? ['undecided', taker.executionMode].includes(task.executionMode) && hasLabels(taker.labels, task.requires)
    : task.namedAgentId === taker.id;

async function notPending(db: Kysely<Database>, task: Task): Promise<Explanation & { ahead: number }> {
  const { attempt } = task;
  const until = attempt && (await deadBy(db, attempt.id));
  const [agent] = attempt === null ? [] : await agentNames(db, [attempt.agentId]);
  return { ...explainNotPending(task, until, agent?.name ?? null), ahead: 0 };
}
