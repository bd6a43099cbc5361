import { type Machine, MachineError } from '../executor/machine.ts';
import type { AgentStore } from './store.ts';
import { StoreFull } from './store-file.ts';

export type Uncleaned = { attemptId: string; cause: string };

/** Removes what these attempts left. One that it can't be done for keeps none of the others: those are answered. */
export async function cleanAttempts(
  { store, machine }: { store: Pick<AgentStore, 'forget'>; machine: Pick<Machine, 'clean'> },
  attemptIds: readonly string[],
  signal: AbortSignal,
): Promise<Uncleaned[]> {
  const uncleaned: Uncleaned[] = [];
  for (const attemptId of attemptIds) {
    if (signal.aborted) break;
    try {
      await machine.clean(attemptId, signal);
      store.forget(attemptId);
    } catch (error) {
      if (!(error instanceof MachineError || error instanceof StoreFull)) throw error;
      uncleaned.push({ attemptId, cause: error.message });
    }
  }
  return uncleaned;
}
