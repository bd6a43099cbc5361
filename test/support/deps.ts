import { NO_SECRETS } from '../../src/domain/secrets.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { createLanes } from '../../src/store/lane-cache.ts';
import { createWakeups } from '../../src/store/wakeups.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { createFarLooks } from '../../src/usecases/dequeue/far-looks.ts';
import { createFreshAttempts } from '../../src/usecases/dequeue/fresh-attempts.ts';
import { createFronts } from '../../src/usecases/dequeue/fronts.ts';
import { createFollowers } from '../../src/usecases/log/followers.ts';
import { createSchemaJudge } from '../../src/usecases/schemas/judge.ts';
import type { TestDatabase } from './database.ts';

export const testSettings: Settings = {
  leases: { seconds: 30, renewSeconds: 10, sweepSeconds: 2 },
  dispatch: {
    tickSeconds: 10,
    pullAfterSeconds: 30,
    policy: 'least_loaded',
    ageingSecondsPerLevel: 86_400,
    avoidSeconds: 60,
  },
  execution: {
    timeoutSeconds: 300,
    killGraceSeconds: 10,
    workspaceKeepSeconds: 86_400,
    capacity: 3,
    retryDelayMaxSeconds: 3600,
  },
  preemption: { gap: 3, minRunSeconds: 60, maxPerTask: 2 },
  retention: { tasksDays: 90, logsDays: 30, deliveriesDays: 30, idempotencyHours: 24, auditDays: 365 },
  limits: { maxOpenPerRepository: null },
};

/** What use cases need, on a test's database; call `stop` at the end. */
export async function createTestDeps(
  database: TestDatabase,
  settings: Partial<Settings> = {},
): Promise<Deps & { stop(): Promise<void> }> {
  const wakeups = await createWakeups({ connectionString: database.connectionString }, { warn: () => {} });
  const schemas = createSchemaJudge();
  return {
    db: database.db,
    hot: database.hot,
    fresh: createFreshAttempts(),
    wakeups,
    lanes: createLanes(database.db),
    fronts: createFronts({ db: database.db, wakeups }),
    farLooks: createFarLooks(),
    settings: { ...testSettings, ...settings },
    secrets: NO_SECRETS,
    random: () => 0.5,
    schemas,
    followers: createFollowers(wakeups),
    async stop() {
      await schemas.stop();
      await wakeups.stop();
    },
  };
}
