import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseStartError, errorCode } from './errors.ts';

export type DirectoryLock = { release(): Promise<void> };

/** Makes the data directory if needed, readable for its owner alone, and sees that it can be written. */
export async function prepareDataDirectory(dataDir: string): Promise<void> {
  try {
    await makeFolder(dataDir);
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new DatabaseStartError(`The data directory ${dataDir} can't be written (${errorCode(error) ?? error}).`, {
      cause: error,
    });
  }
}

/** Node's own recursive mkdir never returns where the kernel answers "no such folder" to a parent that exists (/proc). */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    if (errorCode(error) !== 'ENOENT' || (await exists(dirname(path)))) throw error;
    await makeFolder(dirname(path));
    await makeFolder(path);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Takes the data directory for this process, or throws with the pid of the server that has it. The lock is the
 * kernel's (SQLite holds it on a file), so it ends with its process, however that dies, and needs no guess about pids.
 */
export async function lockDataDirectory(dataDir: string): Promise<DirectoryLock> {
  const holderFile = join(dataDir, 'server.pid');
  const lock = openLock(dataDir);
  if (lock === null) throw new DatabaseStartError(await refusal(dataDir, holderFile));
  const draft = `${holderFile}.${process.pid}`;
  try {
    await writeFile(draft, `${process.pid}\n`);
    await rename(draft, holderFile);
  } catch (error) {
    lock.close();
    throw new DatabaseStartError(`The data directory ${dataDir} can't be written (${errorCode(error) ?? error}).`, {
      cause: error,
    });
  }
  return {
    async release() {
      await rm(holderFile, { force: true });
      lock.close();
    },
  };
}

function openLock(dataDir: string): DatabaseSync | null {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dataDir, 'server.lock'), { timeout: 0 });
    lock.exec('begin immediate');
    return lock;
  } catch (error) {
    lock?.close();
    if (error instanceof Error && /database is locked/.test(error.message)) return null;
    throw new DatabaseStartError(`The data directory ${dataDir} can't be locked (${messageOf(error)}).`, {
      cause: error,
    });
  }
}

async function refusal(dataDir: string, holderFile: string): Promise<string> {
  // Between taking the lock and writing its pid the other server needs a moment.
  for (let tries = 0; tries < 50; tries += 1) {
    const pid = await readFile(holderFile, 'utf8').catch(() => '');
    if (pid !== '') return `The data directory ${dataDir} is in use by the taskejo server with pid ${pid.trim()}.`;
    await delay(20);
  }
  return `The data directory ${dataDir} is in use by another taskejo server.`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
