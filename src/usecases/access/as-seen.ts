import type { Restriction } from '../../domain/restriction.ts';
import type { Task } from '../../domain/task.ts';
import type { StoredEvent } from '../../store/events.ts';
import type { Deps } from '../deps.ts';
import { tasksWithin } from './within.ts';

/** What stands in place of the id of a task that the reader may not see. */
const OTHER = 'another task';

/** Tasks as who is restricted sees them: they name no task that is out of reach, and only count those they wait for. */
export async function tasksAsSeen<T extends Task>(
  deps: Pick<Deps, 'db'>,
  restriction: Restriction | null,
  tasks: readonly T[],
): Promise<readonly T[]> {
  if (restriction === null) return tasks;
  const others = await othersAmong(
    deps,
    restriction,
    tasks.flatMap(({ dependsOn }) => dependsOn),
  );
  if (others.length === 0) return tasks;
  return tasks.map((task) => ({
    ...task,
    dependsOn: task.dependsOn.filter((id) => !others.includes(id)),
    stopDetail: without(others, task.stopDetail),
    result: task.result && { ...task.result, error: without(others, task.result.error) },
  }));
}

/** The same of events. The hash of one that was changed is still that of the whole one. */
export async function eventsAsSeen(
  deps: Pick<Deps, 'db'>,
  restriction: Restriction | null,
  events: readonly StoredEvent[],
): Promise<StoredEvent[]> {
  const others = await othersAmong(deps, restriction, restriction === null ? [] : events.flatMap(tasksNamedBy));
  if (others.length === 0) return [...events];
  return events.map((event) => ({ ...event, data: JSON.parse(without(others, JSON.stringify(event.data)) ?? '{}') }));
}

const NAMED = /"(?:depends_on|[a-z_]*task_id)":"([0-9a-f-]{36})"|\bTask ([0-9a-f-]{36}),/g;

const tasksNamedBy = ({ data }: StoredEvent): string[] =>
  [...JSON.stringify(data).matchAll(NAMED)].map(([, byKey, inText]) => byKey ?? inText ?? '');

async function othersAmong(
  deps: Pick<Deps, 'db'>,
  restriction: Restriction | null,
  ids: readonly string[],
): Promise<string[]> {
  if (restriction === null || ids.length === 0) return [];
  const seen = await tasksWithin(deps, restriction, ids);
  return [...new Set(ids)].filter((id) => !seen.has(id));
}

/** In a text a task is named by `Task ID`, elsewhere by its id alone. */
const without = (others: readonly string[], text: string | null): string | null =>
  text && others.reduce((said, id) => said.replaceAll(`Task ${id}`, 'Another task').replaceAll(id, OTHER), text);
