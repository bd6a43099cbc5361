import { isDeepStrictEqual } from 'node:util';
import { noteServer } from './config/running-server.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { AppError } from './domain/errors.ts';
import { whatIsWrong } from './executor/preflight.ts';
import { createLoneHost, createSshHosts } from './executor/ssh/hosts.ts';
import { ListenError } from './http/listen.ts';
import { createLog, type Log } from './log.ts';
import type { Host } from './loops/hosts.ts';
import { startLoops } from './loops/index.ts';
import { createMetrics } from './metrics.ts';
import { openStore, startDatabase } from './server/database.ts';
import { startHttp } from './server/http.ts';
import { prepare } from './server/installation.ts';
import { replaceable } from './server/replaceable.ts';
import { StartError } from './server/start-error.ts';
import { DatabaseStartError } from './store/embedded/errors.ts';
import { MigrationError } from './store/migrate.ts';
import { DatabaseUnfitError } from './store/pool.ts';
import { noteConfigurationLoaded, noteConfigurationRefused } from './usecases/access/note-configuration.ts';
import { syncHosts } from './usecases/hosts/sync-hosts.ts';
import type { Installation } from './usecases/upkeep/prepare-installation.ts';

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
  /** Goes on with the hosts of another configuration. Rejects if that can't be done; then it goes on as before. */
  reload(config: Config): Promise<void>;
  /** Another configuration was not taken: kept with the acts, if the database is there. */
  refused(cause: string): Promise<void>;
  stop(): Promise<void>;
};

const STOP_WITHIN_MS = 9_500;
const SAME_KEYSTROKE_MS = 1_000;
const ANSWER_WITHIN_MS = 4_000;
/** What the database has not answered by then has nobody left who asked. */
const STATEMENTS_END_WITHIN_MS = 5_000;
/** For whatever learns then that there is no answer. */
const LAST_WORDS_MS = 500;

/** Runs the server until it is told to stop. Resolves with the exit code: 0 stopped, 1 failed, 2 configuration. */
export async function serve(options: ServeOptions): Promise<number> {
  const stopping = new AbortController();
  const stopped = untilToldToStop(stopping);
  const read = () => {
    const { config: file, listen, dataDir } = options;
    return loadConfig({ file, env: process.env, flags: { listen, dataDir } });
  };
  let config: Config;
  try {
    config = await read();
  } catch (error) {
    return complain(error);
  }
  const log = createLog(config.log);
  logWarnings(log);
  let server: RunningServer | null = null;
  // One after the other: what the file said last is what counts in the end.
  let reloaded: Promise<void> = Promise.resolve();
  process.on('SIGHUP', () => {
    reloaded = reloaded.then(async () => (server === null ? undefined : reload(server, config, read, log)));
  });
  try {
    server = await startServer(config, log, stopping);
  } catch (error) {
    return stopping.signal.aborted ? 0 : complain(error);
  }
  process.stdout.write(`listening on ${server.url}\n`);
  log.info({ url: server.url, dataDir: config.dataDir }, 'ready');
  const forget = note(config.dataDir, log);
  const reason = await Promise.race([stopped, server.broken]);
  if (reason !== null) log.error({ reason }, 'the server can not go on');
  stopping.abort();
  const late = setTimeout(() => {
    log.error({}, 'stopping takes too long: ended without the rest of it, of which nothing is lost');
    process.exit(1);
  }, STOP_WITHIN_MS).unref();
  forget();
  await server.stop();
  clearTimeout(late);
  const code = reason === null ? 0 : 1;
  // Only if something that was given up has not noticed yet.
  setTimeout(() => process.exit(code), LAST_WORDS_MS).unref();
  return code;
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

/** The file is read again; whatever is wrong with it, the server goes on as it was. */
async function reload(server: RunningServer, first: Config, read: () => Promise<Config>, log: Log): Promise<void> {
  try {
    const config = await read();
    await server.reload(config);
    log.info({ hosts: config.hosts.map(({ id }) => id) }, 'the configuration file was read again');
    const without = (one: Config) => ({ ...one, hosts: null, ssh: null });
    if (isDeepStrictEqual(without(first), without(config))) return;
    log.warn({}, 'what changed in the configuration file beside the hosts counts from the next start on');
  } catch (error) {
    const cause = (error as Error).message;
    log.error({ cause }, 'the configuration file was not taken, the last good one holds');
    await server.refused(cause).catch((failure: unknown) => log.warn({ err: failure }, 'that could not be recorded'));
  }
}

/** Commands on this machine find the server by it. Without it only these suffer. */
function note(dataDir: string, log: Log): () => void {
  try {
    return noteServer(dataDir);
  } catch (error) {
    log.warn({ err: error }, 'commands on this machine will not find this server');
    return () => {};
  }
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
  const { deps, pools, cut } = await openStore(config, address, log, parts);
  const installation = await prepare(config, deps, log, signal);
  await syncHosts(deps, config.hosts);
  signal.throwIfAborted();
  const { listening, publicUrl } = await startHttp(config, deps, { metrics, pools }, installation, log, signal);
  const stopHttp = () => listening.stop(ANSWER_WITHIN_MS);
  const loops = await replaceable(config, async ({ hosts, ssh }) => {
    const driven = hostsOf(hosts, installation);
    const { probeSeconds } = ssh;
    return startLoops({ deps, installation, hosts: driven, file: hosts, probeSeconds, publicUrl, metrics, log });
  }).catch(async (error: unknown) => {
    await stopHttp();
    throw error;
  });
  const givenUp = Promise.withResolvers<void>();
  parts.defer(() => Promise.race([Promise.all([loops.stop(), stopHttp()]).then(() => {}), givenUp.promise]));
  const loaded = (one: Config) =>
    noteConfigurationLoaded(
      deps,
      one.file,
      one.hosts.map(({ id }) => id),
    );
  await loaded(config);
  const running = parts.move();
  return {
    url: listening.url,
    broken: ended,
    async reload(next) {
      await loops.replace(next);
      // It holds from here on, whether or not that can be written down.
      await loaded(next).catch((error: unknown) => log.warn({ err: error }, 'that could not be recorded'));
    },
    refused: (cause) => noteConfigurationRefused(deps, config.file, cause),
    async stop() {
      stopping.abort();
      const late = setTimeout(() => {
        log.warn({}, 'statements that the database has not answered are given up');
        cut();
        setTimeout(givenUp.resolve, LAST_WORDS_MS);
      }, STATEMENTS_END_WITHIN_MS);
      await running.disposeAsync();
      clearTimeout(late);
    },
  };
}

function hostsOf(hosts: Config['hosts'], installation: Installation): Host[] {
  const byId = createSshHosts(hosts.map((host) => ({ ...host, installationId: installation.id })));
  return hosts.flatMap(({ id, lostAfterSeconds }) => {
    const host = byId.get(id);
    const open = (installationId: string) =>
      createLoneHost(
        hosts.map((one) => ({ ...one, installationId })),
        id,
      );
    const tryOut = (signal: AbortSignal) => whatIsWrong(open, signal);
    return host === undefined ? [] : [{ id, lostAfterSeconds, tryOut, ...host }];
  });
}
