import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../executor/log.ts';
import { type Machine, MachineError } from '../executor/machine.ts';
import { cleanAttempts } from './clean-attempts.ts';
import type { AgentConfig } from './config.ts';
import type { AgentStore } from './store.ts';
import { StoreFull } from './store-file.ts';

/** What an attempt left on the disk is there for a person to look at for so long. */
const KEEP_SECONDS = 86_400;
const EVERY_MS = 3_600_000;

export type TidyDeps = {
  config: Pick<AgentConfig, 'resultsSeconds'>;
  store: Pick<AgentStore, 'leftBefore' | 'forget' | 'dropKept'>;
  machine: Pick<Machine, 'clean' | 'tidy'>;
  log: Log;
};

/**
 * Removes the files of attempts that left a day ago, results that nobody wanted for long, and what else the machine need
 * not keep, now and every hour.
 */
export async function tidyLoop({ config, store, machine, log }: TidyDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const [first, ...more] = await cleanAttempts({ store, machine }, store.leftBefore(KEEP_SECONDS), signal);
      if (first !== undefined) log.warn({ ...first, more: more.length }, 'what an attempt left is not removed');
      await machine.tidy(KEEP_SECONDS, signal);
      store.dropKept(config.resultsSeconds);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof MachineError || error instanceof StoreFull)) throw error;
      log.warn({ cause: error.message }, 'old workspaces not removed');
    }
    await delay(EVERY_MS, undefined, { signal }).catch(() => {});
  }
}
