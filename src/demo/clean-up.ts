import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { descendants, kill, processesOf, type Running } from './processes.ts';

const LOOK_MS = 50;
const KILLS = 40;

/**
 * Ends all that still runs of a demo. Its server, database and agent, who are told otherwise that they should end, have
 * `patienceMs` for it: a database that is killed leaves shared memory behind. All else is killed at once.
 */
export async function endProcesses(folder: string, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const left = processesOf(folder);
    const ending = left.filter(({ command }) => ENDS_BY_ITSELF.test(command));
    const spared = new Set(ending.flatMap((one) => [one, ...databaseOf(one, left)]).map(({ pid }) => pid));
    kill(
      left.filter(({ pid }) => !spared.has(pid)),
      'SIGKILL',
    );
    if (ending.length === 0 || performance.now() > deadline) break;
    await delay(LOOK_MS);
  }
  for (let round = 0; round < KILLS && kill(processesOf(folder), 'SIGKILL') > 0; round += 1) await delay(LOOK_MS);
}

const ENDS_BY_ITSELF = /\btaskejo\.js (?:serve|agent)\b|^(?:\S*\/)?(?:postgres|initdb)\b/;

/** What descends from the server and the database ends with them; what an agent runs need not. */
const databaseOf = (program: Running, all: readonly Running[]): Running[] =>
  / agent\b/.test(program.command) ? [] : descendants(program.pid, all);

/** Removes a folder, also when something writes its last words there. */
export const removeFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
