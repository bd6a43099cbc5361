import { setTimeout as delay } from 'node:timers/promises';
import type { MachineReport } from '../../domain/machine.ts';
import { createBackoff, linkBackoff } from '../backoff.ts';
import { type Machine, MachineError } from '../machine.ts';

export type Patience = { random: () => number; signal: AbortSignal };

/** Asks until the machine answers. @throws the signal's reason when it is aborted */
export async function askMachine<T>({ random, signal }: Patience, ask: () => Promise<T>): Promise<T> {
  const backoff = linkBackoff(random);
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MachineError)) throw error;
    }
    await delay(backoff.next(), undefined, { signal });
  }
}

/** Has the command ended, or kept from ever beginning, and waits until that is so. Answers how it stands then. */
export async function stopCommand(
  machine: Machine,
  { attemptId, killGraceSeconds }: { attemptId: string; killGraceSeconds: number },
  patience: Patience,
): Promise<MachineReport> {
  const { random, signal } = patience;
  const backoff = createBackoff({ minMs: 200, maxMs: 2_000, random });
  const isOver = ({ state }: MachineReport) => state !== 'starting' && state !== 'running' && state !== 'orphan';
  for (;;) {
    const report = await askMachine(patience, () => machine.cancel(attemptId, killGraceSeconds, signal));
    if (isOver(report)) return report;
    await delay(backoff.next(), undefined, { signal });
  }
}
