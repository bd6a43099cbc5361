import { closeSync, openSync, rmSync } from 'node:fs';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { findServer } from '../../config/running-server.ts';
import type { Context } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';

/** What all these commands may be told. */
export type FileOptions = { config?: string; dataDir?: string; json?: boolean };

export type FileChange = {
  /** The text as it is, empty where there is no file yet. */
  change: (text: string) => string;
  /** Looks at the new file before it takes the place of the old one. What it throws keeps the old one. */
  check: (file: string) => Promise<void>;
};

/** The configuration file that a command means. */
export const configFile = (said: string | undefined, { env }: Context): string =>
  said ?? (env.TASKEJO_CONFIG || 'taskejo.yaml');

/**
 * Changes a file, whole or not at all. The new text is made beside it, under a name that one at a time can have: who
 * changes it at the same moment is refused.
 */
export async function changeFile(path: string, { change, check }: FileChange): Promise<void> {
  const file = await realpath(path).catch(() => path);
  const draft = `${file}.new`;
  const mode = await stat(file).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  );
  const leave = makeDraft(draft, path, mode);
  try {
    await write(draft, mode, change(await readText(file)));
    await check(draft);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    leave();
  }
}

/**
 * Makes the draft, empty, and removes it should the program end: to look at a host takes seconds, and who ends it there
 * must not be told next time that somebody changes the file. Both in one turn, between which no signal is heard.
 */
function makeDraft(draft: string, path: string, mode: number): () => void {
  const leave = removeAtEnd(draft);
  try {
    closeSync(openSync(draft, 'wx', mode));
    return leave;
  } catch (error) {
    leave();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new CliError(`cannot write beside the file: ${message}`);
    throw new CliError(`somebody changes ${path} now; if nobody does, remove ${draft}`);
  }
}

function removeAtEnd(draft: string): () => void {
  const remove = () => rmSync(draft, { force: true });
  const leave = () => void process.off('exit', remove).off('SIGINT', end).off('SIGTERM', end);
  const end = (signal: NodeJS.Signals) => {
    remove();
    leave();
    process.kill(process.pid, signal);
  };
  process.on('exit', remove).on('SIGINT', end).on('SIGTERM', end);
  return leave;
}

async function write(draft: string, mode: number, text: string): Promise<void> {
  // Not made anew: a signal may have removed it by now.
  const handle = await open(draft, 'r+');
  try {
    await handle.chmod(mode);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new CliError(`cannot read the configuration: ${(error as Error).message}`, EXIT.usage);
  }
}

/** Has the server on this machine read its file again; answers whether there is one that could be told. */
export function tellServer(dataDir: string): boolean {
  const pid = findServer(dataDir);
  if (pid === null) return false;
  try {
    return process.kill(pid, 'SIGHUP');
  } catch {
    return false;
  }
}
