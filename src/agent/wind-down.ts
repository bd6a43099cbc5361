import { setTimeout as delay } from 'node:timers/promises';
import { stopCommand } from '../executor/attempt/ask-machine.ts';
import type { Log } from '../executor/log.ts';
import type { Machine } from '../executor/machine.ts';
import type { Attempts } from './attempts.ts';
import type { AgentConfig } from './config.ts';
import type { Intake } from './intake.ts';
import { aborted } from './stop-signals.ts';

export type WindDownDeps = {
  config: AgentConfig;
  attempts: Attempts;
  intake: Intake;
  work: { use(): Promise<{ machine: Machine }> };
  /** Sees to what the last request for work may have brought. */
  settle: (signal: AbortSignal) => Promise<void>;
  random: () => number;
  log: Log;
};

const SETTLE_MS = 5_000;
/** How long a stop by force waits for the server to take the results. */
const REPORT_SECONDS = 10;

/**
 * Hands back what has not begun and waits for what runs, for a while; what still runs then is left to the machine, or,
 * when the signal is aborted, stopped and reported. Answers whether it was by force.
 */
export async function windDown(deps: WindDownDeps, force: AbortSignal): Promise<boolean> {
  const { config, attempts, intake, log } = deps;
  log.info({ running: attempts.running.length, seconds: config.stopGraceSeconds }, 'stopping, taking nothing new');
  intake.end();
  attempts.handBack();
  await deps.settle(AbortSignal.any([force, AbortSignal.timeout(SETTLE_MS)]));
  await within(config.stopGraceSeconds, attempts.idle(), aborted(force));
  const left = attempts.running.map(({ attemptId }) => attemptId);
  if (force.aborted) await stopByForce(deps);
  else if (left.length > 0) log.warn({ attempt_ids: left }, 'these go on; the next start finds them again');
  return force.aborted;
}

async function stopByForce({ config, attempts, work, random, log }: WindDownDeps): Promise<void> {
  const { running } = attempts;
  if (running.length === 0) return;
  const { machine } = await work.use();
  log.warn({ running: running.length }, 'stopping by force');
  const patience = { random, signal: AbortSignal.timeout((config.killGraceSeconds + REPORT_SECONDS) * 1000) };
  await Promise.allSettled(running.map((spec) => stopCommand(machine, spec, patience)));
  await within(REPORT_SECONDS, attempts.idle());
}

/** Waits for the first of these, but not for longer. */
async function within(seconds: number, ...facts: Promise<unknown>[]): Promise<void> {
  const over = new AbortController();
  const late = delay(seconds * 1000, undefined, { signal: over.signal }).catch(() => {});
  await Promise.race([...facts, late]);
  over.abort();
}
