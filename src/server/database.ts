import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { MetricsSources } from '../metrics.ts';
import type { DatabaseAddress } from '../store/address.ts';
import { startEmbedded } from '../store/embedded/start-embedded.ts';
import { createLanes } from '../store/lane-cache.ts';
import { MigrationError, migrate } from '../store/migrate.ts';
import { checkDurability, openDatabase } from '../store/pool.ts';
import { createWakeups } from '../store/wakeups.ts';
import type { Deps } from '../usecases/deps.ts';
import { createFarLooks } from '../usecases/dequeue/far-looks.ts';
import { createFreshAttempts } from '../usecases/dequeue/fresh-attempts.ts';
import { createFronts } from '../usecases/dequeue/fronts.ts';
import { createFollowers } from '../usecases/log/followers.ts';
import { createSchemaJudge } from '../usecases/schemas/judge.ts';
import { StartError } from './start-error.ts';

export type Pools = MetricsSources['pools'];

/** What comes most is answered in batches, a few at a time: more connections than this would only wait. */
const MOST_HOT_CONNECTIONS = 5;
const HOT_LOCK_SECONDS = 1;

/** The embedded database, or the one that the configuration names; migrated either way. */
export async function startDatabase(
  config: Config,
  log: Log,
  signal: AbortSignal,
  parts: AsyncDisposableStack,
): Promise<{ address: DatabaseAddress; ended: Promise<string> }> {
  let address: DatabaseAddress = { connectionString: config.databaseUrl ?? '' };
  const never = new Promise<string>(() => {});
  let ended = never;
  if (config.databaseUrl === null) {
    const embedded = await startEmbedded({ dataDir: config.dataDir, log, signal });
    parts.defer(() => embedded.stop());
    address = { connectionString: embedded.connectionString };
    ended = embedded.exited.then((end) => (signal.aborted ? never : `the embedded database ended (${end})`));
  }
  await migrate(address, { log }).catch(unusable);
  return { address, ended };
}

/** What a database says that can't be reached or doesn't let us in, as a sentence without the password. */
function unusable(error: unknown): never {
  if (error instanceof MigrationError) throw error;
  const { message, code } = error as { message?: string; code?: string };
  throw new StartError(`The database can't be used (${message || code || error}).`, { cause: error });
}

/** What all use cases are given, over two pools of the configured size together; `cut` ends whatever waits for them. */
export async function openStore(
  config: Config,
  address: DatabaseAddress,
  log: Log,
  parts: AsyncDisposableStack,
): Promise<{ deps: Deps; pools: Pools; cut: () => void }> {
  const { pool, statementTimeoutSeconds, lockTimeoutSeconds } = config.database;
  const limits = { ...address, statementTimeoutSeconds, lockTimeoutSeconds };
  const forHot = Math.min(MOST_HOT_CONNECTIONS, Math.floor(pool / 2));
  const database = openDatabase({ ...limits, max: pool - forHot }, log);
  parts.defer(() => database.close());
  // What waits longer for a row is tried alone, so that it holds up nobody who came with it.
  const hotLimits = { ...limits, lockTimeoutSeconds: Math.min(lockTimeoutSeconds, HOT_LOCK_SECONDS) };
  const hot = openDatabase({ ...hotLimits, max: forHot, byKeys: true }, log);
  parts.defer(() => hot.close());
  await checkDurability(database.db);
  const wakeups = await createWakeups(address, log);
  parts.defer(() => wakeups.stop());
  const schemas = createSchemaJudge();
  parts.defer(() => schemas.stop());
  const { leases, dispatch, execution, preemption, retention } = config;
  const settings = { leases, dispatch, execution, preemption, retention, limits: config.limits };
  const { secrets } = config;
  const deps = {
    db: database.db,
    hot: hot.db,
    fresh: createFreshAttempts(),
    wakeups,
    lanes: createLanes(database.db),
    fronts: createFronts({ db: database.db, wakeups }),
    farLooks: createFarLooks(),
    settings,
    secrets,
    random: Math.random,
    schemas,
    followers: createFollowers(wakeups),
  };
  const cut = () => [database, hot].map((one) => one.cut());
  return { deps, pools: { common: database.pool, hot: hot.pool }, cut };
}
