import module from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import type { Prepared } from './prepared.ts';
import type { StopSignals } from './stop-signals.ts';

/** Only who may read the agent's files may read its environment, too; and it is never written to a disk. */
const PREPARED = 'TASKEJO_PREPARED';

/** Not where whoever started this program would lose sight of it. */
export const canBeginAnew = (): boolean => process.execve !== undefined && !process.channel;

/**
 * Begins this program anew in its own place, with the same process id and nothing in memory of what it needed so far: as
 * the agent that was prepared, or from the start. The kernel closes what is open. Returns when it was stopped meanwhile,
 * and where it can't be: then it goes on as it is.
 */
export async function beginAnew(prepared: Prepared | null, signals: StopSignals): Promise<void> {
  if (!canBeginAnew()) return;
  module.flushCompileCache();
  const [program = '', ...words] = process.argv;
  const env = prepared === null ? process.env : { ...process.env, [PREPARED]: JSON.stringify(prepared) };
  // A signal that has come is heard: not before the next turn, if this one is under way since before it came.
  await turn();
  await turn();
  // One that comes now ends the program, as at any start: what is heard by nobody any more would be lost.
  signals.release();
  try {
    if (!signals.stop.aborted) process.execve?.(program, [program, ...process.execArgv, ...words], env);
  } catch {
    // Longer settings than a variable can hold, or no such Node any more.
  }
  signals.listen();
}

/** What was handed over; null where that isn't what this program hands over. No program that it starts is to see it. */
export function takePrepared(env: NodeJS.ProcessEnv): Prepared | null {
  const text = env[PREPARED];
  delete env[PREPARED];
  try {
    const prepared = JSON.parse(text ?? '') as Prepared | null;
    return prepared?.config && prepared.known ? prepared : null;
  } catch {
    return null;
  }
}
