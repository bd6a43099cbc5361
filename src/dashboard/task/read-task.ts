import type { Attempt } from '../../domain/attempt.ts';
import type { Restriction } from '../../domain/restriction.ts';
import type { Task } from '../../domain/task.ts';
import { eventsAsSeen, tasksAsSeen } from '../../usecases/access/as-seen.ts';
import type { Deps } from '../../usecases/deps.ts';
import { readNames } from '../../usecases/task/read-names.ts';
import { getTask, listAttempts, listEvents, type StoredEvent } from '../../usecases/task/read-tasks.ts';
import { digest } from '../live/digest.ts';

/** All that a task's page shows but its logs. */
export type TaskView = {
  task: Task;
  /** The last one first. */
  attempts: Attempt[];
  events: StoredEvent[];
  /** More happened than is shown. */
  moreEvents: boolean;
  /** What agents and tokens are called, by their ids. */
  names: ReadonlyMap<string, string>;
};

const MAX_ATTEMPTS = 200;
const MAX_EVENTS = 500;

/** As who is restricted sees it. Null if there is no such task. */
export async function readTask(
  deps: Pick<Deps, 'db'>,
  id: string,
  restriction: Restriction | null,
): Promise<TaskView | null> {
  const found = await getTask(deps, id);
  if (found === null) return null;
  const [task = found] = await tasksAsSeen(deps, restriction, [found]);
  const [attempts, events] = await Promise.all([
    listAttempts(deps, id, { limit: MAX_ATTEMPTS, cursor: null }),
    listEvents(deps, id, { limit: MAX_EVENTS, cursor: null }),
  ]);
  const names = await readNames(deps, namedIn(task, attempts.items, events.items));
  return {
    task,
    attempts: attempts.items.reverse(),
    events: await eventsAsSeen(deps, restriction, events.items),
    moreEvents: events.nextCursor !== null,
    names,
  };
}

function namedIn(task: Task, attempts: readonly Attempt[], events: readonly StoredEvent[]) {
  const inEvents = events.map(({ data }) => data.agent_id).filter((id) => typeof id === 'string');
  const ofTask = [task.namedAgentId, task.assignedAgentId].filter((id) => id !== null);
  const actors = (kind: string) => events.filter(({ actor }) => actor.kind === kind).map(({ actor }) => actor.id);
  return {
    agents: [...ofTask, ...attempts.map(({ agentId }) => agentId), ...inEvents, ...actors('agent')],
    tokens: actors('coordinator'),
  };
}

/** A name for what is shown: another one as soon as any of it changes. What never changes is left out. */
export const viewDigest = ({ task, attempts, events, names }: TaskView): string =>
  digest([{ ...task, body: null, input: null }, attempts, events.length, [...names]]);

export const nameOf = ({ names }: Pick<TaskView, 'names'>, id: string): string => names.get(id) ?? id;
