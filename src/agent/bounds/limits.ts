import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findKeptLimits, type KeptLimits } from '../../executor/kept-limits.ts';
import { createLocalMachine } from '../../executor/local/local-machine.ts';
import { MachineError } from '../../executor/machine.ts';
import { PATIENCE_MS, Unsaid } from './probe.ts';

export { type KeptLimits, namesOfKept } from '../../executor/kept-limits.ts';

const PROBE = 'probe';

/** None of them, for this reason. */
export const noLimits = (reason: string): KeptLimits => ({
  cpuPercent: reason,
  memoryBytes: reason,
  processes: reason,
  fileSizeBytes: reason,
});

/** Which limits can be kept here. A machine that can't be asked is told nothing to keep. @throws {Unsaid} */
export async function findLimits(workDir: string, patienceMs = PATIENCE_MS): Promise<KeptLimits> {
  const machine = createLocalMachine({ directory: workDir, installationId: PROBE });
  const signal = AbortSignal.timeout(patienceMs);
  try {
    return await findKeptLimits(machine, signal);
  } catch (error) {
    if (!(error instanceof MachineError || signal.aborted)) throw error;
    if (error instanceof MachineError && error.kind !== 'unreachable') return noLimits(error.message);
    throw new Unsaid(`trying which limits can be kept took too long`);
  } finally {
    await rm(join(workDir, PROBE), { recursive: true, force: true }).catch(() => {}); // only untidy
  }
}
