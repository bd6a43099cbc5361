import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { noLog, type StoreLog } from '../log.ts';
import { DatabaseStartError, errorCode } from './errors.ts';
import { commandOf } from './process-command.ts';

/** Marks our servers in the list of processes, so that nobody else's PostgreSQL is ever stopped. */
export const clusterMark = 'cluster_name=taskejo';

export type EndOptions = {
  log?: StoreLog;
  /** Gives up waiting. */
  signal?: AbortSignal;
  /** How long it may take for a fast shutdown, and then again for an immediate one. */
  patienceMs?: number;
};

/**
 * Ends what an earlier, killed server left behind on this cluster, and makes its `postmaster.pid` harmless. The caller
 * holds the data directory's lock, so no living taskejo server needs that PostgreSQL.
 */
export async function endPreviousServer(cluster: string, options: EndOptions = {}): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  const pid = Number.parseInt((await readIfThere(file))?.split('\n')[0] ?? '', 10);
  if (pid > 1) await endOrphan(pid, cluster, options);
  await disarm(file);
}

/**
 * PostgreSQL refuses to start while the pid in the file exists, be it a zombie's or a stranger's; it overlooks its
 * parent's, which this process will be. The rest of the file stays: by it PostgreSQL finds out whether children of the
 * dead server still use its memory.
 */
async function disarm(file: string): Promise<void> {
  const text = await readIfThere(file);
  if (text === null) return;
  const [first = '', ...rest] = text.split('\n');
  if (!/^\d+$/.test(first)) return rm(file, { force: true }); // killed while writing it: nothing ran yet
  const draft = `${file}.taskejo`;
  await writeFile(draft, [String(process.pid), ...rest].join('\n'), { mode: 0o600 });
  await rename(draft, file);
}

async function readIfThere(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((error) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
}

async function endOrphan(pid: number, cluster: string, options: EndOptions): Promise<void> {
  const { log = noLog, signal: abort, patienceMs = 30_000 } = options;
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!(await isServerOf(pid, cluster))) return;
    log.info({ pid, signal }, 'stopping the PostgreSQL that a killed server left behind');
    kill(pid, signal);
    const deadline = Date.now() + patienceMs;
    while ((await isServerOf(pid, cluster)) && Date.now() < deadline) await delay(25, undefined, { signal: abort });
  }
  if (!(await isServerOf(pid, cluster))) return;
  throw new DatabaseStartError(`The PostgreSQL with pid ${pid} that a killed server left in ${cluster} doesn't stop.`);
}

/** Throws when it is a server on this cluster, but none of ours. */
async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  const command = await commandOf(pid);
  if (command === null || !/\bpostgres\b/.test(command) || !command.includes(cluster)) return false;
  if (command.includes(clusterMark)) return true;
  throw new DatabaseStartError(`${cluster} is in use by a PostgreSQL with pid ${pid} that taskejo didn't start.`);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
