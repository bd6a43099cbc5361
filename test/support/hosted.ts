import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, onTestFinished } from 'vitest';
import { type OpenDatabase, openDatabase } from '../../src/store/pool.ts';
import { expectHealthy } from './examine.ts';
import { ADMIN_TOKEN, type Replica, type ReplicaOptions, startReplica } from './replica.ts';
import { hostEntryOf } from './ssh-host.ts';
import type { Sshd } from './sshd.ts';
import { createTaskClient, type TaskClient } from './task-client.ts';
import { temporaryFolder } from './temporary.ts';
import { cloneDatabase } from './test-server.ts';
import { waitFor } from './wait-for.ts';

/** Of a host as one replica has it in its file. */
export type HostEntry = {
  id: string;
  sshd: Sshd;
  /** The way to it, if not the straight one. */
  port?: number;
  labels?: readonly string[];
  capacity?: number;
  lost_after_seconds?: number;
};

/** Replicas with hosts on one database; what they did is looked through at the end of the test. */
export type Hosted = {
  databaseUrl: string;
  db: OpenDatabase['db'];
  /** Starts a replica with these hosts in its file. */
  start(hosts: readonly HostEntry[], more?: Partial<ReplicaOptions>): Promise<Replica & { client: TaskClient }>;
  /** Of the tasks' rows and that of their attempt. */
  row(taskId: string): Promise<{ holder: string | null; lease_expires_at: string | null; dead_by: string | null }>;
  /** How a task's command begins, so that each start of it is noted on the host, in a file that only commands write. */
  noted(command: string): string;
};

/** A lease is short, so that others go on soon; longer where nobody is to, however long a slow machine stands still. */
export async function startHosted(sshds: readonly Sshd[], { leaseSeconds = 6 } = {}): Promise<Hosted> {
  const leases = { seconds: leaseSeconds, renew_seconds: 1, sweep_seconds: 1 };
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const { db, close } = openDatabase({ connectionString: databaseUrl, max: 2 });
  onTestFinished(async () => {
    try {
      await expectStartsAsTold(db, sshds);
      await expectHealthy({ databaseUrl });
    } finally {
      await close();
    }
  });
  return {
    databaseUrl,
    db,
    noted: (command) => `echo "$TASKEJO_TASK_ID $TASKEJO_ATTEMPT_ID" >>"\${HOME%/.taskejo/*}/starts"; ${command}`,
    async start(hosts, more = {}) {
      const file = join(temporaryFolder(), 'taskejo.yaml');
      const entries = hosts.map(({ sshd, port = sshd.port, ...entry }) =>
        hostEntryOf({ ...sshd, port }, { labels: ['linux'], ...entry }),
      );
      const settings = { hosts: entries, leases, dispatch: { tick_seconds: 1 }, ssh: { probe_seconds: 1 } };
      writeFileSync(file, JSON.stringify(settings), { mode: 0o600 });
      const replica = await startReplica({ databaseUrl, env: { TASKEJO_CONFIG: file }, ...more });
      return { ...replica, client: clientOf(replica) };
    },
    row: (taskId) =>
      db
        .selectFrom('tasks')
        .innerJoin('attempts', 'attempts.id', 'tasks.attempt_id')
        .select(['tasks.holder', 'tasks.lease_expires_at', 'attempts.dead_by'])
        .where('tasks.id', '=', taskId)
        .executeTakeFirstOrThrow(),
  };
}

export const clientOf = ({ url }: Pick<Replica, 'url'>): TaskClient =>
  createTaskClient({ url, adminToken: ADMIN_TOKEN, api: (method, path, body) => api(url, method, path, body) });

/** A request of the admin to a replica; throws for any answer but 2xx. */
export async function api<T>(url: string, method: string, path: string, body?: unknown): Promise<T> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) ?? null });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? null : JSON.parse(text)) as T;
}

export type Start = { taskId: string; attemptId: string };

/** What commands noted on their host, in order. */
export function startsOn({ home }: Pick<Sshd, 'home'>): Start[] {
  const file = join(home, 'starts');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [taskId = '', attemptId = ''] = line.split(' ');
      return { taskId, attemptId };
    });
}

/**
 * The hosts' own log of starts says what the database says: no attempt was begun twice, and each that has a process, and
 * only such, was begun.
 */
async function expectStartsAsTold(db: OpenDatabase['db'], sshds: readonly Sshd[]): Promise<void> {
  const starts = sshds.flatMap(startsOn);
  const begun = starts.map(({ taskId, attemptId }) => `${taskId} ${attemptId}`).sort();
  const rows = await db.selectFrom('attempts').select(['task_id', 'id', 'process', 'dead_by']).execute();
  const named = (some: typeof rows) => some.map(({ task_id, id }) => `${task_id} ${id}`).sort();
  expect(begun).toEqual([...new Set(begun)]);
  expect(named(rows.filter(({ dead_by }) => dead_by !== null))).toEqual(expect.arrayContaining(begun));
  expect(begun).toEqual(expect.arrayContaining(named(rows.filter(({ process }) => process !== null))));
}

/** Lines that a command of {@link printing} prints. */
export const lines = (count: number): string => Array.from({ length: count }, (_, n) => `line ${n}\n`).join('');
/** Prints so many lines, ten a second. */
export const printing = (count: number): string =>
  `i=0; while [ $i -lt ${count} ]; do echo line $i; i=$((i+1)); sleep 0.1; done`;

/** The client's task when its command has a process and has printed something. */
export async function underWay(client: TaskClient, id: string): Promise<string> {
  const { attempt } = await client.until(id, (task) => task.attempt?.process != null);
  const attemptId = attempt?.id ?? '';
  await waitFor(async () => (await client.printed(attemptId)).includes('line 3'), { intervalMs: 100 });
  return attemptId;
}
