import type { Kysely } from 'kysely';
import type { Policy } from '../domain/match.ts';
import type { PreemptionLimits } from '../domain/preempt.ts';
import type { Secrets } from '../domain/secrets.ts';
import type { Lanes } from '../store/lane-cache.ts';
import type { Database } from '../store/schema.ts';
import type { Wakeups } from '../store/wakeups.ts';
import type { FreshAttempts } from './dequeue/fresh-attempts.ts';
import type { Followers } from './log/followers.ts';

/** Durations are in seconds, as in the configuration file. */
export type Settings = {
  leases: { seconds: number; renewSeconds: number; sweepSeconds: number };
  dispatch: {
    tickSeconds: number;
    pullAfterSeconds: number | null;
    policy: Policy;
    ageingSecondsPerLevel: number;
    avoidSeconds: number;
  };
  execution: {
    timeoutSeconds: number;
    killGraceSeconds: number;
    workspaceKeepSeconds: number;
    capacity: number;
    retryDelayMaxSeconds: number;
  };
  preemption: PreemptionLimits;
  retention: Retention;
  /** Null: as many as there are. */
  limits: { maxOpenPerRepository: number | null };
};

/** For how long what is over is kept. */
export type Retention = {
  tasksDays: number;
  logsDays: number;
  deliveriesDays: number;
  idempotencyHours: number;
  auditDays: number;
};

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
  settings: Settings;
  /** Values that tasks may name. Nothing of them is stored. */
  secrets: Secrets;
  random: () => number;
  /** Who watches a log here. */
  followers: Followers;
};
