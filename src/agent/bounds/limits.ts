import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MachineReport } from '../../domain/machine.ts';
import { LIMIT_NAMES, type Limits, NO_LIMITS } from '../../domain/task.ts';
import { createLocalMachine } from '../../executor/local/local-machine.ts';
import { type Machine, MachineError } from '../../executor/machine.ts';

type Limit = Exclude<keyof Limits, 'costUsd'>;
const GIB = 1024 ** 3;
/** So much that nothing comes near it. */
const PLENTY: Record<Limit, number> = {
  cpuPercent: 1_000,
  memoryBytes: 64 * GIB,
  processes: 10_000,
  fileSizeBytes: GIB,
};

/** Why the machine can't keep a limit; null: it can. */
export type KeptLimits = Record<Limit, string | null>;

const PROBE = 'probe';
const ANSWER_MS = 20_000;
const LOOK_MS = 20;

/** Finds out which limits can be kept here, by running something under each. */
export async function findLimits(workDir: string): Promise<KeptLimits> {
  const machine = createLocalMachine({ directory: workDir, installationId: PROBE });
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    const limits = Object.keys(PLENTY) as Limit[];
    const tried = limits.map(async (limit) => [limit, await whyNot(machine, limit, signal)]);
    return Object.fromEntries(await Promise.all(tried)) as KeptLimits;
  } finally {
    await rm(join(workDir, PROBE), { recursive: true, force: true }).catch(() => {}); // only untidy
  }
}

/** Their names, as the server is told. */
export const namesOfKept = (kept: KeptLimits): string[] =>
  (Object.keys(kept) as Limit[]).filter((limit) => kept[limit] === null).map((limit) => LIMIT_NAMES[limit]);

async function whyNot(machine: Machine, limit: Limit, signal: AbortSignal): Promise<string | null> {
  const attemptId = `${PROBE}-${crypto.randomUUID()}`;
  const spec = {
    ...{ attemptId, taskId: attemptId, number: 1, installationId: PROBE, command: ['true'], input: new Uint8Array() },
    ...{ environment: {}, limits: { ...NO_LIMITS, [limit]: PLENTY[limit] }, sandbox: 'none' as const },
    ...{ timeoutSeconds: 10, killGraceSeconds: 0 },
  };
  try {
    let report: MachineReport = await machine.start(spec, signal);
    while (report.state === 'starting' || report.state === 'running') {
      await delay(LOOK_MS, undefined, { signal });
      report = await machine.status(attemptId, signal);
    }
    return report.exitCode === 0 ? null : (report.message ?? `a command under it ended with ${report.exitCode}`);
  } catch (error) {
    if (!(error instanceof MachineError || signal.aborted)) throw error;
    return error instanceof MachineError ? error.message : 'the machine did not say in time';
  }
}
