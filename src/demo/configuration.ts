import { join } from 'node:path';
import { RECORDED_FORGE } from './deliveries.ts';

/* What the demo's server and agent are told: the same files that anybody would write. JSON is YAML too. */

/** An undecided task that no host matches for so long is left to agents. */
const PULL_AFTER_SECONDS = 2;

/** A loop that prints numbered lines, for any POSIX shell; the issue comes on standard input, as data. */
const loop = (word: string, count: number, seconds: string): string =>
  [
    'read -r issue',
    'echo "$issue"',
    'n=0',
    `while [ $n -lt ${count} ]; do`,
    // Not every sleep knows parts of a second.
    `  sleep ${seconds} 2>/dev/null || sleep 1`,
    '  n=$((n + 1))',
    `  echo "$(date +%H:%M:%S) ${word} $n of ${count}"`,
    'done',
  ].join('\n');

const INPUT = '{{ repository.full_name }}#{{ issue.number }}: {{ issue.title }}\n';

const template = (name: string, requires: string[], script: string, input = INPUT) => ({
  name,
  command: ['sh', '-c', script],
  input,
  requires,
  timeout_seconds: 120,
});

export const HOST = 'build-1';
export const AGENT = 'lab-1';

const TEMPLATES = [
  template('lint', ['build'], loop('linted part', 4, '0.3')),
  template('reproduce', ['lab'], loop('ran the test, time', 5, '0.3')),
  template('fix', ['editor'], loop('looked for the cause, place', 4, '0.3'), `${INPUT.trimEnd()} ({{ words }})\n`),
  template('check', ['build'], loop('checked part', 20, '0.4')),
];

const RULES = [
  { on: 'issue_label', label: 'agent:run', sender: 'alice', template: 'lint' },
  { on: 'issue_label', label: 'agent:run', sender: 'carol', template: 'reproduce' },
  { on: 'comment', command: 'run', template: 'check' },
];

export type HostAccess = { port: number; user: string; hostKey: string };

export const serverConfiguration = (folder: string, { port, user, hostKey }: HostAccess): object => ({
  listen: '127.0.0.1:0',
  data_dir: join(folder, 'data'),
  pages: { open_on_loopback: true },
  forges: [
    {
      name: 'main',
      url: RECORDED_FORGE,
      webhook_secrets: [{ file: 'webhook-secret' }],
      trusted_senders: ['carol@alice/widgets'],
      bot: 'taskejo-bot',
    },
  ],
  hosts: [
    {
      id: HOST,
      address: '127.0.0.1',
      port,
      user,
      private_key: { file: 'host-access-key' },
      host_key: hostKey,
      labels: ['build'],
      capacity: 2,
    },
  ],
  ssh: { probe_seconds: 1 },
  dispatch: { pull_after_seconds: PULL_AFTER_SECONDS },
  templates: TEMPLATES,
  rules: RULES,
});

export const agentConfiguration = (home: string, serverUrl: string): object => ({
  server: { url: serverUrl, registration_token: { file: 'registration-token' } },
  name: AGENT,
  labels: ['lab'],
  capacity: 2,
  work_dir: join(home, 'work'),
  state_dir: join(home, 'state'),
});
