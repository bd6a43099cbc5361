import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StoreLog } from '../log.ts';
import { DatabaseStartError, errorCode } from './errors.ts';
import { commandOf } from './process-command.ts';

/** Marks our servers in the list of processes, so that nobody else's PostgreSQL is ever stopped. */
export const clusterMark = 'cluster_name=taskejo';

const patience = [
  { signal: 'SIGINT', seconds: 30 },
  { signal: 'SIGQUIT', seconds: 10 },
] as const;

/**
 * Ends what an earlier, killed server left behind on this cluster, and makes its `postmaster.pid` harmless. The caller
 * holds the data directory's lock, so no living taskejo server needs that PostgreSQL.
 */
export async function endPreviousServer(cluster: string, log: StoreLog, abort?: AbortSignal): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  const pid = Number.parseInt((await readIfThere(file))?.split('\n')[0] ?? '', 10);
  if (pid > 1) await endOrphan(pid, cluster, log, abort);
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

async function endOrphan(pid: number, cluster: string, log: StoreLog, abort?: AbortSignal): Promise<void> {
  for (const { signal, seconds } of patience) {
    const command = await commandOf(pid);
    if (command === null || !isServerCommand(command, cluster)) return;
    if (!command.includes(clusterMark)) {
      throw new DatabaseStartError(`${cluster} is in use by a PostgreSQL with pid ${pid} that taskejo didn't start.`);
    }
    log.info({ pid, signal }, 'stopping the PostgreSQL that a killed server left behind');
    kill(pid, signal);
    const deadline = Date.now() + seconds * 1000;
    while ((await isServerOf(pid, cluster)) && Date.now() < deadline) await delay(25, undefined, { signal: abort });
  }
  if (await isServerOf(pid, cluster)) {
    throw new DatabaseStartError(
      `The PostgreSQL with pid ${pid} that a killed server left in ${cluster} doesn't stop.`,
    );
  }
}

async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  const command = await commandOf(pid);
  return command !== null && isServerCommand(command, cluster);
}

function isServerCommand(command: string, cluster: string): boolean {
  return /\bpostgres\b/.test(command) && command.includes(cluster);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
