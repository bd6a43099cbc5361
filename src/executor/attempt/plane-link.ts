import { setTimeout as delay } from 'node:timers/promises';
import { linkBackoff } from '../backoff.ts';
import { ControlPlaneError } from '../control-plane.ts';
import type { Log } from '../log.ts';
import type { LeaseClock } from './lease-clock.ts';
import type { Orders } from './orders.ts';

/**
 * Calls the control plane until it answers: what it can't take now is said again with back-off for as long as the
 * signal allows. A lost lease fences the attempt. @throws {ControlPlaneError} of any kind but `unavailable`
 */
export type PlaneLink = <T>(signal: AbortSignal, call: () => Promise<T>) => Promise<T>;

export type PlaneLinkDeps = { orders: Orders; lease: LeaseClock; random: () => number; log: Log; attemptId: string };

export function createPlaneLink({ orders, lease, random, log, attemptId }: PlaneLinkDeps): PlaneLink {
  let away = false;
  const note = (isAway: boolean, cause?: unknown) => {
    if (away === isAway) return;
    away = isAway;
    if (away) log.warn({ attempt_id: attemptId, cause: String(cause) }, 'control plane away, trying again');
    else log.info({ attempt_id: attemptId }, 'control plane back');
  };
  return async (signal, call) => {
    const backoff = linkBackoff(random);
    for (;;) {
      lease.check();
      signal.throwIfAborted();
      try {
        const answer = await call();
        note(false);
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ControlPlaneError)) throw error;
        if (error.kind === 'lease_lost') orders.fence('lease_lost');
        if (error.kind !== 'unavailable') throw error;
        note(true, error.message);
      }
      await delay(backoff.next(), undefined, { signal });
    }
  };
}
