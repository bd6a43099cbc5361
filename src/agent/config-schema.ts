import { z } from 'zod';
import { agentName, deniedPattern } from '../contract/agent.ts';
import { labels, SHELL_OWNED_NAME, text } from '../contract/common.ts';
import { SANDBOXES } from '../domain/task.ts';
import type { SecretMark } from '../yaml-file.ts';

const MAX_SECONDS = 31_536_000;
const seconds = z.number().min(0).max(MAX_SECONDS);
const path = () => text().min(1, 'must not be empty');
const secret = (description: string, mark: SecretMark = true) =>
  text().min(1, 'must not be empty').optional().meta({ secret: mark, description });

/** Whether only programs of this machine can be there; IPv6 in brackets. */
export const isLoopback = (host: string): boolean => /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost)$/.test(host);

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
  .refine((name) => !name.startsWith('TASKEJO_'), 'must not begin with TASKEJO_: those are given by the program')
  .refine((name) => !SHELL_OWNED_NAME.test(name), 'is owned by the shell: no command can be given it');

const server = z.strictObject({
  url: serverUrl.describe('The server, as commands reach it too'),
  allow_plain_http: z
    .boolean()
    .default(false)
    .describe('Speak to a server elsewhere without TLS: tokens then travel in the clear'),
  registration_token: secret(
    'Registers the agent at its first start; one whose variable is not set counts as none',
    'if needed',
  ),
  token: secret("The agent's own token, where it was made on the server; nothing is registered then"),
  timeout_seconds: z.number().min(1).max(600).default(30).describe('A request that takes longer is given up'),
  ca_file: path().optional().describe("Certificates (PEM) to trust besides the machine's own"),
});

const most = (description: string) => z.int().positive().nullable().default(null).describe(description);
const limits = z.strictObject({
  cpu_percent: most('Of one processor: 200 is two of them'),
  memory_bytes: most('Memory of all its processes together'),
  processes: most('Processes and threads at a time'),
  file_size_bytes: most('Size of each file that it writes'),
});

const security = z.strictObject({
  allowed_commands: z.array(path().max(4096)).max(1000).default([]).describe('Programs that may run; none named: all'),
  denied_patterns: z
    .array(deniedPattern)
    .max(100)
    .default([])
    .describe('Regular expressions over program and arguments, joined by spaces, that may not run'),
});

const container = z.strictObject({
  program: z.enum(['podman', 'docker']).default('podman').describe('What runs containers here'),
  image: path().max(1000).nullable().default(null).describe('What a task with `sandbox: container` runs in'),
});

const MAX_PORT = 65_535;
const isOfLoopback = (address: string) => {
  const [, host = '', port] = /^(.*):(\d{1,5})$/.exec(address) ?? [];
  return isLoopback(host) && Number(port) <= MAX_PORT;
};
const localApi = z.strictObject({
  socket: path()
    .optional()
    .describe(
      "Unless said: root's is `/run/taskejo-agent.sock`, else, and with another `state_dir`, it is in that folder",
    ),
  listen: z
    .string()
    .refine(isOfLoopback, 'must be an address of this machine for itself, as 127.0.0.1:7071')
    .nullable()
    .default(null)
    .describe('An address of this machine for itself, beside the socket'),
});

const log = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least that is written'),
  format: z.enum(['json', 'text']).optional().describe('Unless said: text on a terminal, else JSON lines'),
});

const environment = z.strictObject({
  pass: z.array(variableName).max(100).default(['LANG']).describe("Handed on from the agent's own environment"),
  set: z.record(variableName, text()).default({}).describe('Given to every command'),
});

const poll = z.strictObject({
  wait_seconds: z.int().min(0).max(60).default(30).describe('How long a request for work may wait for some'),
});

const retention = z.strictObject({
  results_days: z.number().min(0).max(36_500).default(30).describe('A result that the server did not take'),
});

/** The agent's file, as it is written. */
export const agentConfigSchema = z.strictObject({
  server,
  name: agentName.optional().describe("Unless said, the machine's name"),
  labels: labels.default([]).describe('What this machine can do'),
  capacity: z.int().min(1).max(1000).default(3).describe('Attempts at a time'),
  work_dir: path().optional().describe('Where commands work; unless said, `work` in `state_dir`'),
  state_dir: path().optional().describe('What the agent must not forget'),
  poll: poll.prefault({}),
  log: log.prefault({}),
  limits: limits.prefault({}),
  security: security.prefault({}),
  sandbox: z.enum(SANDBOXES).default('none').describe('What every command is shut in at least'),
  container: container.prefault({}),
  environment: environment.prefault({}),
  local_api: localApi.prefault({}),
  retention: retention.prefault({}),
  stop_grace_seconds: seconds.default(30).describe('How long a stop waits for what runs'),
  kill_grace_seconds: seconds.default(10).describe('Between asking a command to end and killing it'),
});
export type AgentFile = z.output<typeof agentConfigSchema>;
