import { existsSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { agentName } from '../contract/agent.ts';
import { labels, SHELL_OWNED_NAME, text } from '../contract/common.ts';
import { type Environment, readYamlConfig } from '../yaml-file.ts';

const MAX_SECONDS = 31_536_000;
const seconds = z.number().min(0).max(MAX_SECONDS);
const secret = (description: string) =>
  text().min(1, 'must not be empty').optional().meta({ secret: true, description });

const serverUrl = z
  .string()
  .refine((value) => {
    const url = URL.parse(value);
    return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && `${url.search}${url.hash}` === '';
  }, 'must be an http or https address without user, query or fragment')
  .transform((value) => value.replace(/\/+$/, ''));

const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name of letters, digits and _')
  .refine((name) => !name.startsWith('TASKEJO_'), 'names that begin with TASKEJO_ are given by the program')
  .refine((name) => !SHELL_OWNED_NAME.test(name), 'is a name that the shell owns: no command can be given it');

const server = z
  .strictObject({
    url: serverUrl.describe('The server, as commands reach it too'),
    registration_token: secret('Registers the agent at its first start'),
    token: secret("The agent's own token, where it was made on the server; nothing is registered then"),
    timeout_seconds: z.number().min(1).max(600).default(30).describe('A request that takes longer is given up'),
  })
  .refine((value) => value.token === undefined || value.registration_token === undefined, {
    path: ['token'],
    message: 'give token or registration_token, not both',
  });

/** The agent's file, as it is written. */
export const agentConfigSchema = z.strictObject({
  server,
  name: agentName.optional().describe("Unless said, the machine's name"),
  labels: labels.default([]).describe('What this machine can do'),
  capacity: z.int().min(1).max(1000).default(3).describe('Attempts at a time'),
  work_dir: z.string().min(1).optional().describe('Where commands work; unless said, `work` in `state_dir`'),
  state_dir: z.string().min(1).optional().describe('What the agent must not forget'),
  poll: z
    .strictObject({
      wait_seconds: z.int().min(0).max(60).default(30).describe('How long a request for work may wait for some'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least that is written'),
      format: z.enum(['json', 'text']).optional().describe('Unless said: text on a terminal, else JSON lines'),
    })
    .prefault({}),
  environment: z
    .strictObject({
      pass: z.array(variableName).max(100).default(['LANG']).describe("Handed on from the agent's own environment"),
      set: z.record(variableName, text()).default({}).describe('Given to every command'),
    })
    .prefault({}),
  stop_grace_seconds: seconds.default(30).describe('How long a stop waits for what runs'),
  kill_grace_seconds: seconds.default(10).describe('Between asking a command to end and killing it'),
});

/** The agent's settings. Durations are in seconds, paths absolute, secrets in clear: never to be logged whole. */
export type AgentConfig = {
  server: { url: string; registrationToken: string | null; token: string | null; timeoutSeconds: number };
  name: string;
  labels: readonly string[];
  capacity: number;
  workDir: string;
  stateDir: string;
  waitSeconds: number;
  /** Without a format: text on a terminal, else JSON. */
  log: { level: 'debug' | 'info' | 'warn' | 'error'; format: 'json' | 'text' | null };
  /** What every command finds. */
  environment: Readonly<Record<string, string>>;
  stopGraceSeconds: number;
  killGraceSeconds: number;
};

const PLACES = ['./agent.yaml', '/etc/taskejo/agent.yaml'];

/**
 * The agent's settings: the environment, then the first file found of the one named, `./agent.yaml` and
 * `/etc/taskejo/agent.yaml`, then the defaults.
 * @throws {ConfigError} with every mistake, each with its file, line and column
 */
export async function loadAgentConfig(options: { file?: string | undefined; env: Environment }): Promise<AgentConfig> {
  const { env } = options;
  const path = options.file ?? PLACES.find((place) => existsSync(place)) ?? null;
  const { value } = await readYamlConfig({ path, schema: agentConfigSchema, env, envPrefix: 'TASKEJO_AGENT_' });
  const stateDir = resolve(value.state_dir ?? defaultStateDir(env));
  return {
    server: {
      url: value.server.url,
      registrationToken: value.server.registration_token ?? null,
      token: value.server.token ?? null,
      timeoutSeconds: value.server.timeout_seconds,
    },
    name:
      value.name ??
      (hostname()
        .replace(/[\s/]+/g, '-')
        .slice(0, 100) ||
        'agent'),
    labels: value.labels,
    capacity: value.capacity,
    workDir: resolve(value.work_dir ?? join(stateDir, 'work')),
    stateDir,
    waitSeconds: value.poll.wait_seconds,
    log: { level: value.log.level, format: value.log.format ?? null },
    environment: { ...passedOn(value.environment.pass, env), ...value.environment.set },
    stopGraceSeconds: value.stop_grace_seconds,
    killGraceSeconds: value.kill_grace_seconds,
  };
}

function defaultStateDir(env: Environment): string {
  if (process.getuid?.() === 0) return '/var/lib/taskejo-agent';
  return join(env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'taskejo-agent');
}

const passedOn = (names: readonly string[], env: Environment): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
