import type { Kysely } from 'kysely';
import type { Secrets } from '../domain/secrets.ts';
import type { Settings } from '../domain/settings.ts';
import type { Lanes } from '../store/lane-cache.ts';
import type { Database } from '../store/schema.ts';
import type { Wakeups } from '../store/wakeups.ts';
import type { FarLooks } from './dequeue/far-looks.ts';
import type { FreshAttempts } from './dequeue/fresh-attempts.ts';
import type { Fronts } from './dequeue/fronts.ts';
import type { Followers } from './log/followers.ts';
import type { SchemaJudge } from './schemas/judge.ts';

/** What every use case is given: the database, the way to wake who waits for a change, settings and randomness. */
export type Deps = {
  db: Kysely<Database>;
  /** The same database over connections of their own, for the statements that come most: see `store/pool.ts`. */
  hot: Kysely<Database>;
  /** Attempts that this process gave out a moment ago. */
  fresh: FreshAttempts;
  wakeups: Wakeups;
  /** What this process knows of the lanes. */
  lanes: Lanes;
  /** Where in the lanes tasks begin, while it takes long to find out. */
  fronts: Fronts;
  /** How far those have looked who find nothing in front. */
  farLooks: FarLooks;
  settings: Settings;
  /** Values that tasks may name. Nothing of them is stored. */
  secrets: Secrets;
  random: () => number;
  /** Judges what the outputs of tasks must be like. */
  schemas: SchemaJudge;
  /** Who watches a log here. */
  followers: Followers;
};
