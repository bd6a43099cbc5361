import { setTimeout as delay } from 'node:timers/promises';
import { type ControlPlane, ControlPlaneError, type ProgressNote } from '../control-plane.ts';
import type { Log } from '../log.ts';
import type { Contact } from './contact.ts';
import type { LeaseClock } from './lease-clock.ts';
import type { Orders } from './orders.ts';
import type { PlaneLink } from './plane-link.ts';

export type RenewDeps = {
  plane: ControlPlane;
  link: PlaneLink;
  orders: Orders;
  lease: LeaseClock;
  attemptId: string;
  renewSeconds: number;
  /** Set: a renewal needs an answer of the machine since the last one. */
  contact: Contact | null;
  progress: () => ProgressNote | null;
  onFollowed: (followed: boolean) => void;
  log: Log;
};

export type Renewer = {
  /** Renews now and passes on what the answer asks for. */
  once(signal: AbortSignal): Promise<void>;
  /** Renews until the signal is aborted or the lease is gone; the first time after `firstMs`. */
  loop(firstMs: number, signal: AbortSignal): Promise<void>;
};

export function createRenewer(deps: RenewDeps): Renewer {
  const { plane, link, orders, lease, attemptId, contact, renewSeconds, log } = deps;
  let answersSeen = contact?.count ?? 0;
  let told: ProgressNote | null = null;

  async function once(signal: AbortSignal): Promise<void> {
    const answers = contact?.count ?? 0;
    const progress = deps.progress();
    let askedAt = 0;
    const renewal = await link(signal, () => {
      askedAt = lease.now();
      return plane.renew(attemptId, progress === told ? null : progress, signal);
    });
    lease.granted(askedAt, renewal.leaseSeconds);
    answersSeen = answers;
    told = progress;
    if (renewal.stopReason !== null) orders.stop(renewal.stopReason);
    deps.onFollowed(renewal.followed);
  }

  async function loop(firstMs: number, signal: AbortSignal): Promise<void> {
    let waitMs = firstMs;
    while (!signal.aborted) {
      try {
        await delay(waitMs, undefined, { signal });
        waitMs = renewSeconds * 1000;
        while (contact !== null && contact.count === answersSeen) await contact.next(signal);
        await once(signal);
      } catch (error) {
        if (signal.aborted) return;
        const over = error instanceof ControlPlaneError && (error.kind === 'lease_lost' || error.kind === 'finished');
        if (over) return;
        log.error({ attempt_id: attemptId, cause: String(error) }, 'renewal failed'); // the next one may not
      }
    }
  }

  return { once, loop };
}
