import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AgentError, EXIT } from './exit.ts';
import { ensurePrivateFile, readPrivateFile, writePrivateFile } from './private-files.ts';

/**
 * Keeps a second agent out of a state folder for as long as this process lives: the kernel holds the lock, so it is gone
 * with the process however that ends. @throws {AgentError} with exit code 3 when another one runs
 */
export function lockState(stateDir: string): { release(): void } {
  const path = join(stateDir, 'lock');
  const pidPath = join(stateDir, 'pid');
  ensurePrivateFile(path);
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('pragma locking_mode = exclusive; begin exclusive');
  } catch (error) {
    database.close();
    const pid = readPrivateFile(pidPath)?.trim();
    const who = pid ? `another agent (pid ${pid})` : 'another agent';
    throw new AgentError(`${who} runs on ${stateDir}`, EXIT.another, { cause: error });
  }
  notePid(pidPath);
  return { release: () => database.close() };
}

/** Only for the sentence above: on a full disk it must do without. */
function notePid(path: string): void {
  try {
    writePrivateFile(path, `${process.pid}\n`);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
  }
}
