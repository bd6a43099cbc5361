import { setTimeout as delay } from 'node:timers/promises';
import type { MachineReport } from '../domain/machine.ts';
import { LIMIT_NAMES, type Limits, NO_LIMITS } from '../domain/task.ts';
import { type Machine, MachineError } from './machine.ts';

type Limit = Exclude<keyof Limits, 'costUsd'>;
const GIB = 1024 ** 3;
/** So much that nothing comes near it. */
export const PLENTY: Record<Limit, number> = {
  cpuPercent: 1_000,
  memoryBytes: 64 * GIB,
  processes: 10_000,
  fileSizeBytes: GIB,
};
export const LIMITS = Object.keys(PLENTY) as Limit[];

/** Why the machine can't keep a limit; null: it can. */
export type KeptLimits = Record<Limit, string | null>;

const LOOK_MS = 50;

/**
 * Finds out which limits a machine can keep, by running something under all of them, and again without the one for which
 * that was refused. Its installation is one for this alone: what is left there is for the caller to remove.
 * @throws {MachineError} when the machine can't be asked, which says nothing of its limits
 */
export async function findKeptLimits(machine: Machine, signal: AbortSignal): Promise<KeptLimits> {
  const kept: KeptLimits = { cpuPercent: null, memoryBytes: null, processes: null, fileSizeBytes: null };
  for (let left = LIMITS; left.length > 0; ) {
    const reason = await whyNot(machine, Object.fromEntries(left.map((limit) => [limit, PLENTY[limit]])), signal);
    if (reason === null) break;
    const named = left.filter((limit) => reason.includes(` ${LIMIT_NAMES[limit]} `));
    // One that names none may be meant for any of them.
    const refused = named.length > 0 ? named : left;
    for (const limit of refused) kept[limit] = reason;
    left = left.filter((limit) => !refused.includes(limit));
  }
  return kept;
}

/** Their names, as they are known to the server. */
export const namesOfKept = (kept: KeptLimits): string[] =>
  LIMITS.filter((limit) => kept[limit] === null).map((limit) => LIMIT_NAMES[limit]);

async function whyNot(machine: Machine, limits: Partial<Limits>, signal: AbortSignal): Promise<string | null> {
  const attemptId = `limits-${crypto.randomUUID()}`;
  const spec = {
    ...{ attemptId, taskId: attemptId, number: 1, installationId: 'check', command: ['true'], input: new Uint8Array() },
    ...{ environment: {}, limits: { ...NO_LIMITS, ...limits }, sandbox: 'none' as const },
    ...{ timeoutSeconds: 10, killGraceSeconds: 0 },
  };
  let report: MachineReport = await machine.start(spec, signal);
  while (report.state === 'starting' || report.state === 'running') {
    await delay(LOOK_MS, undefined, { signal });
    report = await machine.status(attemptId, signal);
  }
  const { state, reason, exitCode, message } = report;
  if (state !== 'done' || (reason !== 'exit' && reason !== 'setup')) {
    const kind = reason === 'timeout' ? 'unreachable' : 'shell'; // one that does nothing takes so long where all does
    throw new MachineError(kind, `a command under limits did not end by itself: ${message ?? reason ?? state}`);
  }
  return exitCode === 0 ? null : (message ?? `a command under it ended with ${exitCode}`);
}
