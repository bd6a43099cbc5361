import { existsSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { AgentPolicy } from '../domain/may-run.ts';
import type { Limits, Sandbox } from '../domain/task.ts';
import { type Environment, type Path, readYamlConfig } from '../yaml-file.ts';
import { checkAcross } from './config-checks.ts';
import { type AgentFile, agentConfigSchema } from './config-schema.ts';

/** The agent's settings. Durations are in seconds, paths absolute, secrets in clear: never to be logged whole. */
export type AgentConfig = {
  /** Null: there is none, the environment says all. */
  file: string | null;
  /** Further files that hold secrets of the agent's. */
  secretFiles: readonly string[];
  /** Variables that look like settings and are none, as sentences. */
  strangeVariables: readonly string[];
  server: {
    url: string;
    registrationToken: string | null;
    token: string | null;
    timeoutSeconds: number;
    /** Further certificates to trust. */
    caFile: string | null;
  };
  name: string;
  labels: readonly string[];
  capacity: number;
  workDir: string;
  stateDir: string;
  waitSeconds: number;
  /** Without a format: text on a terminal, else JSON. */
  log: { level: 'debug' | 'info' | 'warn' | 'error'; format: 'json' | 'text' | null };
  /** The most that any command may use here. */
  limits: Limits;
  policy: AgentPolicy;
  /** What every command is shut in at least. */
  sandbox: Sandbox;
  container: { program: 'podman' | 'docker'; image: string | null };
  /** What every command finds. */
  environment: Readonly<Record<string, string>>;
  localApi: { socket: string; listen: string | null };
  /** How long results that the server did not take are kept. */
  resultsSeconds: number;
  stopGraceSeconds: number;
  killGraceSeconds: number;
};

const PLACES = ['./agent.yaml', '/etc/taskejo/agent.yaml'];
const DAY_SECONDS = 86_400;
const SYSTEM_STATE_DIR = '/var/lib/taskejo-agent';

/**
 * The agent's settings: the environment, then the first file found of the one named, `./agent.yaml` and
 * `/etc/taskejo/agent.yaml`, then the defaults.
 * @throws {ConfigError} with every mistake, each with its file, line and column
 */
export async function loadAgentConfig(options: { file?: string | undefined; env: Environment }): Promise<AgentConfig> {
  const { env } = options;
  const path = options.file ?? PLACES.find((place) => existsSync(place)) ?? null;
  const asked = { path, schema: agentConfigSchema, env, envPrefix: 'TASKEJO_AGENT_', check: checkAcross };
  const { value, saidBy, secretFiles, strangeVariables } = await readYamlConfig(asked);
  const placed: Placed = (at, said) =>
    resolve(path !== null && saidBy(at) === 'file' ? dirname(resolve(path)) : process.cwd(), said);
  const stateDir = placed(['state_dir'], value.state_dir ?? defaultStateDir(env));
  return {
    file: path,
    secretFiles,
    strangeVariables,
    server: serverOf(value, placed),
    name: value.name ?? machineName(),
    labels: value.labels,
    capacity: value.capacity,
    workDir: placed(['work_dir'], value.work_dir ?? join(stateDir, 'work')),
    stateDir,
    waitSeconds: value.poll.wait_seconds,
    log: { level: value.log.level, format: value.log.format ?? null },
    ...boundsOf(value),
    environment: { ...passedOn(value.environment.pass, env), ...value.environment.set },
    localApi: {
      socket: placed(['local_api', 'socket'], value.local_api.socket ?? defaultSocket(stateDir)),
      listen: value.local_api.listen,
    },
    resultsSeconds: value.retention.results_days * DAY_SECONDS,
    stopGraceSeconds: value.stop_grace_seconds,
    killGraceSeconds: value.kill_grace_seconds,
  };
}

/** A path of the settings: in the file it is relative to the file. */
type Placed = (at: Path, said: string) => string;

const serverOf = ({ server }: AgentFile, placed: Placed): AgentConfig['server'] => ({
  url: server.url,
  registrationToken: server.registration_token ?? null,
  token: server.token ?? null,
  timeoutSeconds: server.timeout_seconds,
  caFile: server.ca_file === undefined ? null : placed(['server', 'ca_file'], server.ca_file),
});

/** What commands may do here, whatever the server asks. */
const boundsOf = ({ limits, security, sandbox, container }: AgentFile) => ({
  limits: {
    cpuPercent: limits.cpu_percent,
    memoryBytes: limits.memory_bytes,
    processes: limits.processes,
    fileSizeBytes: limits.file_size_bytes,
    costUsd: null,
  },
  policy: { allowedCommands: security.allowed_commands, deniedPatterns: security.denied_patterns },
  sandbox,
  container,
});

function machineName(): string {
  const name = hostname().replace(/[\s/]+/g, '-');
  return name.slice(0, 100) || 'agent';
}

function defaultStateDir(env: Environment): string {
  if (process.getuid?.() === 0) return SYSTEM_STATE_DIR;
  return join(env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'taskejo-agent');
}

/** Two agents on one machine have two folders for their state, and so two sockets. Only root may make one in `/run`. */
const defaultSocket = (stateDir: string): string =>
  stateDir === SYSTEM_STATE_DIR && process.getuid?.() === 0 ? '/run/taskejo-agent.sock' : join(stateDir, 'agent.sock');

const passedOn = (names: readonly string[], env: Environment): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
