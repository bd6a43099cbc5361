import module from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import type { Prepared } from './prepared.ts';

/** Only who may read the agent's files may read its environment, too; and it is never written to a disk. */
const PREPARED = 'TASKEJO_PREPARED';

/** Not where whoever started this program would lose sight of it. */
export const canBeginAnew = (): boolean => process.execve !== undefined && !process.channel;

/**
 * Begins this program anew in its own place, with the same process id and nothing in memory of what it needed so far: as
 * the agent that was prepared, or from the start. The kernel closes what is open. Returns when it was stopped meanwhile,
 * and where it can't be: then it goes on as it is.
 */
export async function beginAnew(prepared: Prepared | null, stop: AbortSignal): Promise<void> {
  if (!canBeginAnew()) return;
  module.flushCompileCache();
  const [program = '', ...words] = process.argv;
  const env = prepared === null ? process.env : { ...process.env, [PREPARED]: JSON.stringify(prepared) };
  await turn(); // a signal that has come is heard; from now on one ends the program, as at any start
  if (stop.aborted) return;
  try {
    process.execve?.(program, [program, ...process.execArgv, ...words], env);
  } catch {
    // Longer settings than a variable can hold, or no such Node any more.
  }
}

/** What was handed over. No program that this one starts is to see it. */
export function takePrepared(env: NodeJS.ProcessEnv): Prepared {
  const text = env[PREPARED];
  delete env[PREPARED];
  return JSON.parse(text ?? '{}');
}
