import { type Kysely, sql } from 'kysely';
import type { Placed, Restriction } from '../domain/restriction.ts';
import { repositoryExpression } from '../domain/restriction.ts';
import type { Database } from './schema.ts';
import type { Condition } from './task-walk.ts';

/** What decides whether tasks are within a restriction, of those of these ids that there are. */
export async function placesOfTasks(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<(Placed & { id: string })[]> {
  if (ids.length === 0) return [];
  return db.selectFrom('tasks').select(['id', 'repository', 'requires']).where('id', 'in', ids).execute();
}

/** The same as `isWithin` of the domain, for the task of the row at hand. */
export function withinCondition({ repositories, labels }: Restriction): Condition {
  const ofThem =
    repositories &&
    sql<boolean>`coalesce(lower(tasks.repository) ~ any(${repositories.map(repositoryExpression)}::text[]), false)`;
  const requiring = labels && sql<boolean>`tasks.requires && ${labels}::text[]`;
  return sql<boolean>`(${ofThem ?? sql`true`} and ${requiring ?? sql`true`})`;
}
