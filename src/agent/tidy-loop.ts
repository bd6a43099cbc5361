import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../executor/log.ts';
import { type Machine, MachineError } from '../executor/machine.ts';
import { cleanAttempts } from './clean-attempts.ts';
import type { AgentConfig } from './config.ts';
import type { AgentStore } from './store.ts';
import { StoreFull } from './store-file.ts';
import type { WorkLoader } from './work-loader.ts';

/** What an attempt left on the disk is there for a person to look at for so long. */
const KEEP_SECONDS = 86_400;
const EVERY_MS = 3_600_000;
/** One that has not worked has the machine looked through so rarely: to ask it, all that work needs is loaded. */
const ROUNDS_AT_REST = 24;

export type TidyDeps = {
  config: Pick<AgentConfig, 'resultsSeconds'>;
  store: Pick<AgentStore, 'leftBefore' | 'forget' | 'dropKept'>;
  work: { use(): Promise<{ machine: Pick<Machine, 'clean' | 'tidy'> }> };
  log: Log;
};

/**
 * Removes the files of attempts that left a day ago, results that nobody wanted for long, and what else the machine need
 * not keep, every hour. What was there before, the start has seen to.
 */
export async function tidyLoop(
  deps: TidyDeps & { work: Pick<WorkLoader, 'unusedMs'> },
  signal: AbortSignal,
): Promise<void> {
  const { config, store, work } = deps;
  for (let round = 1; !signal.aborted; round++) {
    const hasLeft = store.leftBefore(KEEP_SECONDS).length > 0;
    if (hasLeft || work.unusedMs !== null || round % ROUNDS_AT_REST === 0) await tidyMachine(deps, signal);
    await unlessAway(deps, async () => store.dropKept(config.resultsSeconds), signal);
    await delay(EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

/** The same, once, of what is on the machine. */
export const tidyMachine = (deps: TidyDeps, signal: AbortSignal): Promise<void> =>
  unlessAway(
    deps,
    async () => {
      const { machine } = await deps.work.use();
      const [first, ...more] = await cleanAttempts({ ...deps, machine }, deps.store.leftBefore(KEEP_SECONDS), signal);
      if (first !== undefined) deps.log.warn({ ...first, more: more.length }, 'what an attempt left is not removed');
      await machine.tidy(KEEP_SECONDS, signal);
    },
    signal,
  );

async function unlessAway({ log }: TidyDeps, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof MachineError || error instanceof StoreFull)) throw error;
    log.warn({ cause: error.message }, 'old workspaces not removed');
  }
}
