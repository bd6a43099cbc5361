import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ListenAddress, parseListen } from './config/addresses.ts';
import { crossChecks } from './config/cross-checks.ts';
import { jumpOf } from './config/hosts.ts';
import { type ConfigFile, configSchema } from './config/schema.ts';
import type { Secrets } from './domain/secrets.ts';
import type { Settings } from './domain/settings.ts';
import { compileSettings, type ForgejoSettings } from './forgejo/configuration.ts';
import { ConfigError, type Environment, type Mistake, readYamlConfig, type YamlConfig } from './yaml-file.ts';

export { ConfigError } from './yaml-file.ts';

/**
 * One machine that the server drives over SSH. Each host key is `SHA256:…`, or a whole key line; `jump` is the id of
 * the host that it is reached through.
 */
export type HostSettings = (
  | { privateKey: string; passphrase?: string }
  | { agentSocket: string; publicKey?: string }
) & {
  id: string;
  address: string;
  port: number;
  user: string;
  hostKeys: readonly string[] | { knownHosts: string };
  jump: string | null;
  labels: readonly string[];
  capacity: number;
  lostAfterSeconds: number;
};

/** The server's settings. Durations are in seconds, paths absolute, secrets in clear: never to be logged whole. */
export type Config = Settings & {
  /** Null: there is no file. */
  file: string | null;
  listen: ListenAddress;
  /** Null: the address that it listens on. */
  publicUrl: string | null;
  dataDir: string;
  /** Null: the embedded database in `dataDir`. */
  databaseUrl: string | null;
  database: { pool: number; statementTimeoutSeconds: number; lockTimeoutSeconds: number };
  /** Without a format: text on a terminal, else JSON. */
  log: { level: 'debug' | 'info' | 'warn' | 'error'; format: 'json' | 'text' | null };
  trustedProxies: readonly string[];
  /** Counts beside those in the database; null: none is set. */
  adminToken: string | null;
  forgejo: ForgejoSettings;
  secrets: Secrets;
  statistics: { cacheSeconds: number };
  metrics: { open: boolean };
  http: { badTokensPerMinute: number; connections: number };
  ssh: { probeSeconds: number };
  pages: { openOnLoopback: boolean };
  hosts: readonly HostSettings[];
};

export type ConfigOptions = {
  /** Else the variable `TASKEJO_CONFIG`, else `taskejo.yaml` in the working directory if it is there. */
  file?: string | undefined;
  env: Environment;
  flags?: { listen?: string | undefined; dataDir?: string | undefined };
};

const DEFAULT_FILE = 'taskejo.yaml';
const LEAST_ADMIN_TOKEN = 32;

/**
 * The server's settings from flags, environment and file, in this order; without any, the defaults.
 * @throws {ConfigError} with every mistake, each with its file, line and column
 */
export async function loadConfig({ file, env, flags = {} }: ConfigOptions): Promise<Config> {
  const path = file ?? (env.TASKEJO_CONFIG || (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : null));
  const tokenMistakes = checkAdminToken(env);
  const read = await readYamlConfig({
    path,
    schema: configSchema,
    env,
    envPrefix: 'TASKEJO_',
    envNames: { DATABASE_URL: ['database_url'] },
    flags: [
      ...(flags.listen === undefined ? [] : [{ name: '--listen', path: ['listen'], value: flags.listen }]),
      ...(flags.dataDir === undefined ? [] : [{ name: '--data-dir', path: ['data_dir'], value: flags.dataDir }]),
    ],
    check: crossChecks,
  }).catch((error: unknown) => {
    throw error instanceof ConfigError ? new ConfigError([...error.mistakes, ...tokenMistakes]) : error;
  });
  if (tokenMistakes.length > 0) throw new ConfigError(tokenMistakes);
  return toConfig(read, path, env);
}

function checkAdminToken(env: Environment): Mistake[] {
  const token = env.TASKEJO_ADMIN_TOKEN || null;
  if (token === null || token.length >= LEAST_ADMIN_TOKEN) return [];
  return [{ where: 'TASKEJO_ADMIN_TOKEN', path: '', message: `must have at least ${LEAST_ADMIN_TOKEN} characters` }];
}

function toConfig({ value, saidBy }: YamlConfig<ConfigFile>, path: string | null, env: Environment): Config {
  const listen = parseListen(value.listen);
  if (listen === null) throw new Error('a wrong listen address was not reported');
  const folder = path !== null && saidBy(['data_dir']) === 'file' ? dirname(resolve(path)) : process.cwd();
  return {
    file: path === null ? null : resolve(path),
    listen,
    publicUrl: value.public_url,
    dataDir: resolve(folder, value.data_dir),
    databaseUrl: value.database_url,
    log: { level: value.log.level, format: value.log.format ?? null },
    trustedProxies: value.trusted_proxies,
    adminToken: env.TASKEJO_ADMIN_TOKEN || null,
    secrets: secretsOf(value),
    forgejo: compileSettings({ ...value, rules: value.rules }).settings,
    ssh: { probeSeconds: value.ssh.probe_seconds },
    pages: { openOnLoopback: value.pages.open_on_loopback },
    hosts: hostsOf(value, path === null ? process.cwd() : dirname(resolve(path))),
    limits: { maxOpenPerRepository: value.limits.max_open_per_repository },
    http: { badTokensPerMinute: value.http.bad_tokens_per_minute, connections: value.http.connections },
    ...figuresOf(value),
  };
}

const secretsOf = ({ secrets }: ConfigFile): Secrets =>
  new Map(
    Object.entries(secrets).map(([name, { value, templates, repositories }]) => [
      name,
      { value, templates, repositories: repositories ?? null },
    ]),
  );

const hostsOf = ({ hosts, execution, ssh }: ConfigFile, folder: string): HostSettings[] =>
  hosts.map((host) => ({
    id: host.id,
    address: host.address,
    port: host.port,
    user: host.user,
    ...identityOf(host),
    hostKeys: host.host_key ?? { knownHosts: resolve(folder, host.known_hosts ?? ssh.known_hosts ?? '') },
    jump: jumpOf(host, ssh.jump),
    labels: host.labels,
    capacity: host.capacity ?? execution.capacity,
    lostAfterSeconds: host.lost_after_seconds ?? ssh.lost_after_seconds,
  }));

function identityOf({
  ssh_agent: agentSocket,
  public_key: publicKey,
  private_key,
  passphrase,
}: ConfigFile['hosts'][number]) {
  if (agentSocket !== undefined) return { agentSocket, ...(publicKey === undefined ? {} : { publicKey }) };
  return { privateKey: private_key ?? '', ...(passphrase === undefined ? {} : { passphrase }) };
}

const figuresOf = ({ database, dispatch, leases, execution, preemption, retention, stats, metrics }: ConfigFile) => ({
  database: {
    pool: database.pool,
    statementTimeoutSeconds: database.statement_timeout_seconds,
    lockTimeoutSeconds: database.lock_timeout_seconds,
  },
  dispatch: {
    tickSeconds: dispatch.tick_seconds,
    pullAfterSeconds: dispatch.pull_after_seconds,
    policy: dispatch.policy,
    ageingSecondsPerLevel: dispatch.ageing_seconds_per_level,
    avoidSeconds: dispatch.avoid_seconds,
  },
  leases: { seconds: leases.seconds, renewSeconds: leases.renew_seconds, sweepSeconds: leases.sweep_seconds },
  execution: {
    timeoutSeconds: execution.timeout_seconds,
    killGraceSeconds: execution.kill_grace_seconds,
    workspaceKeepSeconds: execution.workspace_keep_seconds,
    capacity: execution.capacity,
    retryDelayMaxSeconds: execution.retry_delay_max_seconds,
  },
  preemption: {
    gap: preemption.gap,
    minRunSeconds: preemption.min_run_seconds,
    maxPerTask: preemption.max_per_task,
  },
  metrics: { open: metrics.open },
  statistics: { cacheSeconds: stats.cache_seconds },
  retention: {
    tasksDays: retention.tasks_days,
    logsDays: retention.logs_days,
    deliveriesDays: retention.deliveries_days,
    idempotencyHours: retention.idempotency_hours,
    auditDays: retention.audit_days,
  },
});
