import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseStartError, errorCode, reasonOf } from './errors.ts';

export type DirectoryLock = { release(): Promise<void> };

/** Makes the data directory if needed, readable for its owner alone, and sees that it can be written. */
export async function prepareDataDirectory(dataDir: string): Promise<void> {
  try {
    await makeFolder(dataDir);
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw notWritable(dataDir, error);
  }
}

function notWritable(dataDir: string, cause: unknown): DatabaseStartError {
  return new DatabaseStartError(`The data directory ${dataDir} can't be written (${reasonOf(cause)}).`, { cause });
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
    throw notWritable(dataDir, error);
  }
  return {
    async release() {
      await rm(holderFile, { force: true });
      lock.close();
    },
  };
}

/** Null when another process has it. */
function openLock(dataDir: string): DatabaseSync | null {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dataDir, 'server.lock'), { timeout: 0 });
    lock.exec('begin immediate');
    return lock;
  } catch (cause) {
    lock?.close();
    if (/database is locked/.test(String(cause))) return null;
    throw new DatabaseStartError(`The data directory ${dataDir} can't be locked (${cause}).`, { cause });
  }
}

async function refusal(dataDir: string, holderFile: string): Promise<string> {
  let pid = await readPid(holderFile);
  // Between taking the lock and writing its pid the other server needs a moment, and the file may be of an earlier one.
  for (let tries = 0; !isAlive(pid) && tries < 25; tries += 1) {
    await delay(20);
    pid = await readPid(holderFile);
  }
  const holder = pid > 0 ? `the taskejo server with pid ${pid}` : 'another taskejo server';
  return `The data directory ${dataDir} is in use by ${holder}.`;
}

async function readPid(file: string): Promise<number> {
  return Number(await readFile(file, 'utf8').catch(() => '0'));
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
