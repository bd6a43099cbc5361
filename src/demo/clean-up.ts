import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { descendants, kill, processesOf, type Running } from './processes.ts';

const LOOK_MS = 50;
const KILLS = 40;

/**
 * Ends all that still runs of a demo. Its server and agent, who are told otherwise that they should end, have
 * `patienceMs` for it: a database that is killed leaves shared memory behind. All else is killed at once.
 */
export async function endProcesses(folder: string, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const left = processesOf(folder);
    const programs = left.filter(isProgram);
    const gentle = new Set(programs.flatMap((one) => [one, ...ownOf(one, left)]).map(({ pid }) => pid));
    kill(
      left.filter(({ pid }) => !gentle.has(pid)),
      'SIGKILL',
    );
    if (programs.length === 0 || performance.now() > deadline) break;
    await delay(LOOK_MS);
  }
  for (let round = 0; round < KILLS && kill(processesOf(folder), 'SIGKILL') > 0; round += 1) await delay(LOOK_MS);
}

const isProgram = ({ command }: Running): boolean => /\btaskejo\.js (?:serve|agent)\b/.test(command);

/** The database ends with its server; what an agent runs need not. */
const ownOf = (program: Running, all: readonly Running[]): Running[] =>
  / serve\b/.test(program.command) ? descendants(program.pid, all) : [];

/** Removes a folder, also when something writes its last words there. */
export const removeFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
