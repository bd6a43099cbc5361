import type { Kysely } from 'kysely';
import { type GateFacts, KEPT_FROM_NOBODY, type Taker } from '../domain/explain/facts.ts';
import { type Explanation, explainNotPending, explainPending } from '../domain/explain.ts';
import { hasLabels } from '../domain/match.ts';
import type { AgentMode, Status, Task } from '../domain/task.ts';
import { agentNames } from '../store/agents.ts';
import { avoidances, countAhead, deadBy, gateFacts, newestLane, takers } from '../store/explain.ts';
import type { Database } from '../store/schema.ts';
import { findTask } from '../store/tasks.ts';
import type { Deps } from './deps.ts';

type Reading = Pick<Deps, 'db' | 'lanes'>;

/** `ahead`: how many tasks come before it, as far as they are counted. */
export type Explained = Explanation & { taskId: string; status: Status; ahead: number };

/**
 * Why nobody takes a task now, agent by agent; null if there is no such task. Everything is read from one snapshot, so
 * that no two things are said that never were true together. `reader` is the agent that asks: it is told of itself and
 * of no other; null for whoever may see all.
 */
export async function explainTask(deps: Reading, id: string, reader: string | null): Promise<Explained | null> {
  return deps.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const task = await findTask(trx, id);
      if (task === null) return null;
      const explained =
        task.status === 'pending' ? await pending(trx, deps.lanes, task, reader) : await notPending(trx, task);
      return { taskId: task.id, status: task.status, ...explained };
    });
}

async function pending(
  db: Kysely<Database>,
  lanes: Deps['lanes'],
  task: Task,
  reader: string | null,
): Promise<Explanation & { ahead: number }> {
  const all = await takers(db);
  const kept = (await avoidances(db, [task.id])).get(task.id) ?? KEPT_FROM_NOBODY;
  const gates = await gateFacts(db, task);
  const surroundings = { takers: all, kept, gates: reader === null ? gates : withoutNames(gates) };
  await lanes.upTo(db, await newestLane(db));
  const matching = all.filter((taker) => couldEver(task, taker));
  const served = (mode: AgentMode) => lanes.servedBy(matching.filter(({ executionMode }) => executionMode === mode));
  const ahead = await countAhead(db, task.id, { pull: served('http_pull'), hosts: served('ssh_cli') });
  return { ...explainPending(task, surroundings, reader), ahead };
}

const withoutNames = ({ keyHolder }: GateFacts): GateFacts => ({ unmet: [], keyHolder: keyHolder && { id: null } });

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
