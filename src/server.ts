import { readFileSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { createDashboard } from './dashboard/index.ts';
import { AppError } from './domain/errors.ts';
import { createSshHost } from './executor/ssh/host.ts';
import { createClientAddress } from './http/addresses.ts';
import { createApp } from './http/app.ts';
import { ListenError, type Listening, listen } from './http/listen.ts';
import { createLog, type Log } from './log.ts';
import { startLoops } from './loops/index.ts';
import { createMetrics, type Metrics, type MetricsSources } from './metrics.ts';
import type { DatabaseAddress } from './store/address.ts';
import { DatabaseStartError } from './store/embedded/errors.ts';
import { startEmbedded } from './store/embedded/start-embedded.ts';
import { createLanes } from './store/lane-cache.ts';
import { MigrationError, migrate } from './store/migrate.ts';
import { checkDurability, DatabaseUnfitError, openDatabase } from './store/pool.ts';
import { createWakeups } from './store/wakeups.ts';
import { createComplete } from './usecases/complete-attempt.ts';
import { createCreate } from './usecases/create-task.ts';
import type { Deps } from './usecases/deps.ts';
import { createDequeues } from './usecases/dequeue.ts';
import { createEventFeed } from './usecases/event-feed.ts';
import { createFollowers } from './usecases/followers.ts';
import { createFreshAttempts } from './usecases/fresh-attempts.ts';
import { keepAgeing } from './usecases/keep-ageing.ts';
import { type Installation, prepareInstallation } from './usecases/prepare-installation.ts';
import { createFigures } from './usecases/read-figures.ts';
import { createSignIn } from './usecases/sign-in.ts';
import { createStatistics } from './usecases/statistics.ts';
import { syncHosts } from './usecases/sync-hosts.ts';

export type ServeOptions = {
  /** The configuration file, and what the command line says over it. */
  config?: string | undefined;
  listen?: string | undefined;
  dataDir?: string | undefined;
};
export type RunningServer = {
  url: string;
  /** Resolves with the reason if something that the server can't do without is gone. */
  broken: Promise<string>;
  stop(): Promise<void>;
};

/** The server can't start. The message is one sentence for the operator. */
class StartError extends Error {
  override name = 'StartError';
}

const STOP_WITHIN_MS = 9_500;
const SAME_KEYSTROKE_MS = 1_000;
const ANSWER_WITHIN_MS = 4_000;
/** What comes most is answered in batches, a few at a time: more connections than this would only wait. */
const MOST_HOT_CONNECTIONS = 5;
const HOT_LOCK_SECONDS = 1;

/** Runs the server until it is told to stop. Resolves with the exit code: 0 stopped, 1 failed, 2 configuration. */
export async function serve(options: ServeOptions): Promise<number> {
  const stopping = new AbortController();
  const stopped = untilToldToStop(stopping);
  let config: Config;
  try {
    const { config: file, listen, dataDir } = options;
    config = await loadConfig({ file, env: process.env, flags: { listen, dataDir } });
  } catch (error) {
    return complain(error);
  }
  const log = createLog(config.log);
  logWarnings(log);
  let server: RunningServer;
  try {
    server = await startServer(config, log, stopping);
  } catch (error) {
    return stopping.signal.aborted ? 0 : complain(error);
  }
  process.stdout.write(`listening on ${server.url}\n`);
  log.info({ url: server.url, dataDir: config.dataDir }, 'ready');
  const reason = await Promise.race([stopped, server.broken]);
  if (reason !== null) log.error({ reason }, 'the server can not go on');
  stopping.abort();
  setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
  await server.stop();
  return reason === null ? 0 : 1;
}

/**
 * The first signal asks to stop in order; the second one doesn't wait for that. But npm passes a terminal's Ctrl-C on,
 * so that one keystroke comes twice.
 */
function untilToldToStop(stopping: AbortController): Promise<null> {
  let toldAt = Number.POSITIVE_INFINITY;
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      const sameKeystroke = signal === 'SIGINT' && performance.now() - toldAt < SAME_KEYSTROKE_MS;
      if (stopping.signal.aborted && !sameKeystroke) process.exit(1);
      toldAt = Math.min(toldAt, performance.now());
      stopping.abort();
      resolve(null);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/** What Node itself warns of goes the way of all lines, so that whoever parses them doesn't stumble over it. */
function logWarnings(log: Log): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    const level = warning.name === 'ExperimentalWarning' ? 'debug' : 'warn';
    log[level]({ err: warning }, 'Node warns');
  });
}

function complain(error: unknown): number {
  const known = [StartError, ListenError, DatabaseStartError, DatabaseUnfitError, MigrationError, AppError];
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else if (known.some((kind) => error instanceof kind)) process.stderr.write(`taskejo: ${(error as Error).message}\n`);
  else process.stderr.write(`taskejo: ${error instanceof Error ? error.stack : String(error)}\n`);
  return error instanceof ConfigError ? 2 : 1;
}

/**
 * Starts each part after what it needs, and stops them the other way round. When `stopping` fires, who waits is
 * answered and nothing new is taken; `stop` then ends the rest.
 */
export async function startServer(config: Config, log: Log, stopping: AbortController): Promise<RunningServer> {
  await using parts = new AsyncDisposableStack();
  const { signal } = stopping;
  const { address, ended } = await startDatabase(config, log, signal, parts);
  const metrics = createMetrics({ ofProcess: true });
  const { deps, pools } = await openStore(config, address, log, parts);
  const installation = await prepare(config, deps, log, signal);
  await syncHosts(deps, config.hosts);
  signal.throwIfAborted();
  const { listening, publicUrl } = await startHttp(config, deps, { metrics, pools }, installation, log, signal);
  const stopHttp = () => listening.stop(ANSWER_WITHIN_MS);
  const loops = await startLoops({
    deps,
    installation,
    hosts: hostsOf(config, installation),
    probeSeconds: config.ssh.probeSeconds,
    publicUrl,
    metrics,
    log,
  }).catch(async (error: unknown) => {
    await stopHttp();
    throw error;
  });
  parts.defer(async () => void (await Promise.all([loops.stop(), stopHttp()])));
  const running = parts.move();
  return {
    url: listening.url,
    broken: ended,
    async stop() {
      stopping.abort();
      await running.disposeAsync();
    },
  };
}

/** The embedded database, or the one that the configuration names; migrated either way. */
async function startDatabase(
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

async function openStore(
  config: Config,
  address: DatabaseAddress,
  log: Log,
  parts: AsyncDisposableStack,
): Promise<{ deps: Deps; pools: Pools }> {
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
  const { leases, dispatch, execution, preemption, retention } = config;
  const settings = { leases, dispatch, execution, preemption, retention, limits: config.limits };
  const { secrets } = config;
  const deps = {
    db: database.db,
    hot: hot.db,
    fresh: createFreshAttempts(),
    wakeups,
    lanes: createLanes(database.db),
    settings,
    secrets,
    random: Math.random,
    followers: createFollowers(),
  };
  return { deps, pools: { common: database.pool, hot: hot.pool } };
}

async function prepare(config: Config, deps: Deps, log: Log, signal: AbortSignal): Promise<Installation> {
  const path = join(config.dataDir, 'admin-token');
  const keep = config.adminToken === null ? (token: string) => keepSecret(path, token) : null;
  const { installation, adminToken } = await prepareInstallation(deps, keep);
  if (adminToken !== null)
    log.warn({ path }, `made the first admin token, shown only here and kept in a file: ${adminToken}`);
  const ageing = await keepAgeing(deps, signal);
  if (ageing !== null && ageing.before !== null)
    log.warn(ageing, 'the ageing of waiting tasks changed, for all replicas');
  return installation;
}

/** A file that only its owner can read, and that is there whole or not at all. */
async function keepSecret(path: string, secret: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const draft = await open(`${path}.new`, 'w', 0o600);
    await draft.chmod(0o600);
    await draft.writeFile(`${secret}\n`);
    await draft.sync();
    await draft.close();
    await rename(`${path}.new`, path);
  } catch (error) {
    throw new StartError(`The admin token can't be kept in ${path} (${(error as Error).message}).`, { cause: error });
  }
}

type Pools = MetricsSources['pools'];
type Http = { listening: Listening; publicUrl: () => string };

/** The API, and the pages for people beside it. */
async function startHttp(
  config: Config,
  deps: Deps,
  { metrics, pools }: { metrics: Metrics; pools: Pools },
  installation: Installation,
  log: Log,
  stopping: AbortSignal,
): Promise<Http> {
  const { adminToken, forgejo } = config;
  const nowMs = () => performance.now();
  const dequeues = createDequeues(deps);
  stopping.addEventListener('abort', dequeues.stop, { once: true });
  const feed = createEventFeed(deps);
  metrics.readFrom({
    figures: createFigures(deps, nowMs),
    waiting: dequeues.waiting,
    feedFollowers: feed.followers,
    pools,
  });
  const common = {
    deps,
    dequeues,
    complete: createComplete(deps),
    create: createCreate(deps),
    signIn: createSignIn(deps, { adminToken, badTokensPerMinute: config.http.badTokensPerMinute, nowMs }),
    feed,
    metrics,
    openMetrics: config.metrics.open,
    statistics: createStatistics(deps, { ...config.statistics, nowMs }),
    log,
    version: version(),
    clientAddress: createClientAddress(config.trustedProxies),
    stopping,
  };
  let url = '';
  const publicUrl = () => config.publicUrl ?? url;
  const pages = createDashboard({
    ...common,
    secret: installation.secret,
    adminToken,
    publicUrl,
    forges: forgejo.forges.map(({ name }) => name),
    openOnLoopback: config.pages.openOnLoopback,
    epochMs: () => Date.now(),
  });
  const app = createApp({ ...common, ...forgejo, installation }, pages);
  const listening = await listen(app, { ...config.listen, maxConnections: config.http.connections });
  url = listening.url;
  return { listening, publicUrl };
}

const hostsOf = (config: Config, installation: Installation) =>
  config.hosts.map((host) => ({
    id: host.id,
    lostAfterSeconds: host.lostAfterSeconds,
    ...createSshHost({ ...host, installationId: installation.id }),
  }));

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
