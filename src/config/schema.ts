import { z } from 'zod';
import { POLICIES } from '../domain/match.ts';
import { forgeSchema, ruleSchema, secretsSchema, templateSchema } from '../forgejo/config-schema.ts';
import { isNetwork, parseListen } from './addresses.ts';
import { hostSchema, jump, knownHosts } from './hosts.ts';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const LOG_FORMATS = ['json', 'text'] as const;

/** Longer than any timer can wait is surely a slip of the pen. */
export const MAX_SECONDS = 31_536_000;
const seconds = (least = 0) => z.number().min(least).max(MAX_SECONDS);
const MOMENT = 0.05;

const listen = z
  .string()
  .refine((text) => parseListen(text) !== null, 'must be HOST:PORT, as 127.0.0.1:7070 or [::1]:7070');

const publicUrl = z
  .string()
  .refine((text) => {
    const url = URL.parse(text);
    return (
      url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '' && url.hash === ''
    );
  }, 'must be an http or https address without user, query or fragment')
  .transform((text) => text.replace(/\/+$/, ''));

const databaseUrl = z.string().regex(/^postgres(?:ql)?:\/\//, 'must begin with postgres://');

const database = z.strictObject({
  pool: z.int().min(2).max(1000).default(10).describe('Connections that the server keeps at most'),
  statement_timeout_seconds: seconds(MOMENT).default(10).describe('A statement that takes longer is ended'),
  lock_timeout_seconds: seconds(MOMENT).default(5).describe('A statement that waits longer for a lock is ended'),
});

const log = z.strictObject({
  level: z.enum(LOG_LEVELS).default('info').describe('The least that is written'),
  format: z.enum(LOG_FORMATS).optional().describe('Unless said: text on a terminal, else JSON lines'),
});

const dispatch = z.strictObject({
  tick_seconds: seconds(MOMENT).default(10).describe('Hosts are offered waiting tasks this often, and on each change'),
  pull_after_seconds: seconds()
    .nullable()
    .default(30)
    .describe('An undecided task that no host matches for so long is left to agents; `null`: never'),
  policy: z.enum(POLICIES).default('least_loaded').describe('Which of several matching hosts takes a task'),
  ageing_seconds_per_level: seconds(1).default(86_400).describe('Waiting so long is worth one level of priority'),
  avoid_seconds: seconds()
    .default(60)
    .describe('A task that the machinery failed on an agent is kept from it so long, doubling'),
});

const leases = z.strictObject({
  seconds: seconds(MOMENT).default(30).describe('How long a lease lasts without being renewed'),
  renew_seconds: seconds(MOMENT).default(10).describe('How often holders renew, and agents beat'),
  sweep_seconds: seconds(MOMENT).default(2).describe('How often lapsed leases are looked for'),
});

const execution = z.strictObject({
  timeout_seconds: z.int().min(1).max(604_800).default(300).describe('Of a task that sets none'),
  kill_grace_seconds: seconds().default(10).describe('Between asking a command to end and killing it'),
  workspace_keep_seconds: seconds()
    .default(86_400)
    .describe('How long the workspace of an attempt that did not succeed is kept on its host for people'),
  capacity: z.int().min(1).max(1000).default(3).describe('Attempts at a time of a host that sets none'),
  retry_delay_max_seconds: seconds().default(3600).describe('The doubling delay between retries ends here'),
});

const preemption = z.strictObject({
  gap: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe('A task is stopped only for one whose priority is so much higher at least'),
  min_run_seconds: seconds().default(60).describe('What has run for less is left alone; 0: stopped at once'),
  max_per_task: z
    .int()
    .min(0)
    .max(1000)
    .default(2)
    .describe('How often one task is stopped for others at most; 0: none is'),
});

const days = (least = 0) => z.number().min(least).max(36_500);
const retention = z.strictObject({
  tasks_days: days().default(90).describe('A task that has ended, with its history, attempts and logs'),
  logs_days: days().default(30).describe('What an attempt that has ended printed; its sizes and hashes stay'),
  deliveries_days: days().default(30).describe('What a forge sent; that an event has one task holds for good'),
  idempotency_hours: z.number().min(0).max(876_000).default(24).describe('An `Idempotency-Key`'),
  audit_days: days(1).default(365).describe('Acts without a task'),
});

const limits = z.strictObject({
  max_open_per_repository: z
    .int()
    .min(1)
    .max(1_000_000)
    .nullable()
    .default(null)
    .describe('Tasks of one repository that have not ended, at most; `null`: as many as there are'),
});

const http = z.strictObject({
  bad_tokens_per_minute: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(600)
    .describe('An address that shows more bad tokens is answered 429 for a while; good tokens are never limited'),
  connections: z.int().min(1).max(1_000_000).default(20_000).describe('Open at a time at most'),
});

const metrics = z.strictObject({
  open: z.boolean().default(true).describe('Anybody may read `/metrics`; else a token of scope viewer is needed'),
});

const stats = z.strictObject({
  cache_seconds: seconds().default(30).describe('Figures of `/api/v1/stats` are computed at most this often'),
});

const ssh = z.strictObject({
  probe_seconds: seconds(MOMENT).default(10).describe('How often each host is asked whether it is there'),
  lost_after_seconds: seconds()
    .default(600)
    .describe('A repeatable task on a host out of reach for so long is given up and tried again'),
  known_hosts: knownHosts.optional().describe('A file that has the keys of hosts that say neither `host_key` nor this'),
  jump: jump.default(null).describe('Id of the host through which all others are reached that say nothing else'),
});

const pages = z.strictObject({
  open_on_loopback: z
    .boolean()
    .default(false)
    .describe('Who asks from this very machine sees the pages without signing in; refused off loopback'),
});

/** The configuration file, as it is written. */
export const configSchema = z.strictObject({
  listen: listen.default('127.0.0.1:7070').describe('Where the server listens; port 0 takes any free one'),
  public_url: publicUrl
    .nullable()
    .default(null)
    .describe('The address that people and agents use; unless said, the one that it listens on'),
  data_dir: z.string().min(1).default('./data').describe('Holds the embedded database and the first admin token'),
  database_url: databaseUrl
    .nullable()
    .default(null)
    .meta({ secret: 'if set', description: 'A PostgreSQL from 15 on; unless said, the embedded one in `data_dir`' }),
  database: database.prefault({}),
  log: log.prefault({}),
  trusted_proxies: z
    .array(z.string().refine(isNetwork, 'must be an address or a network, as 10.0.0.0/8'))
    .default([])
    .describe('Proxies whose word about the caller is taken'),
  allow_plain_http: z
    .boolean()
    .default(false)
    .describe('Listen off loopback without a trusted proxy: tokens then travel in the clear'),
  forges: z.array(forgeSchema).default([]),
  dispatch: dispatch.prefault({}),
  leases: leases.prefault({}),
  execution: execution.prefault({}),
  preemption: preemption.prefault({}),
  retention: retention.prefault({}),
  limits: limits.prefault({}),
  http: http.prefault({}),
  stats: stats.prefault({}),
  metrics: metrics.prefault({}),
  ssh: ssh.prefault({}),
  pages: pages.prefault({}),
  hosts: z.array(hostSchema).default([]),
  secrets: secretsSchema.default({}),
  templates: z.array(templateSchema).default([]),
  rules: z.array(ruleSchema).optional(),
});
export type ConfigFile = z.output<typeof configSchema>;
