import { isWithin, type Restriction } from '../../domain/restriction.ts';
import { isUuid } from '../../domain/uuid.ts';
import { ownersOfAttempts } from '../../store/attempts.ts';
import { placesOfTasks } from '../../store/task-places.ts';
import type { Deps } from '../deps.ts';

type Reading = Pick<Deps, 'db'>;

/** Of these tasks those that there are and that are within a restriction. */
export async function tasksWithin(
  { db }: Reading,
  restriction: Restriction,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const placed = await placesOfTasks(db, [...new Set(ids)]);
  return new Set(placed.filter((task) => isWithin(restriction, task)).map(({ id }) => id));
}

export const isTaskWithin = async (deps: Reading, restriction: Restriction, id: string): Promise<boolean> =>
  isUuid(id) && (await tasksWithin(deps, restriction, [id])).has(id);

export async function isAttemptWithin(deps: Reading, restriction: Restriction, attemptId: string): Promise<boolean> {
  if (!isUuid(attemptId)) return false;
  const owner = (await ownersOfAttempts(deps.db, [attemptId])).get(attemptId);
  return owner !== undefined && isTaskWithin(deps, restriction, owner.task_id);
}
