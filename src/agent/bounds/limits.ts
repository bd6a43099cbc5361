import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findKeptLimits, type KeptLimits } from '../../executor/kept-limits.ts';
import { createLocalMachine } from '../../executor/local/local-machine.ts';
import { MachineError } from '../../executor/machine.ts';

export { type KeptLimits, namesOfKept } from '../../executor/kept-limits.ts';

const PROBE = 'probe';
const ANSWER_MS = 20_000;

/** Which limits can be kept here. A machine that can't be asked is told nothing to keep. */
export async function findLimits(workDir: string): Promise<KeptLimits> {
  const machine = createLocalMachine({ directory: workDir, installationId: PROBE });
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    return await findKeptLimits(machine, signal);
  } catch (error) {
    if (!(error instanceof MachineError || signal.aborted)) throw error;
    const reason = error instanceof MachineError ? error.message : 'the machine did not say in time';
    return { cpuPercent: reason, memoryBytes: reason, processes: reason, fileSizeBytes: reason };
  } finally {
    await rm(join(workDir, PROBE), { recursive: true, force: true }).catch(() => {}); // only untidy
  }
}
