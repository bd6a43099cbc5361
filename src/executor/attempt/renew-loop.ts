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
  /** Set: renews only if the machine has answered since the last renewal. */
  contact: Contact | null;
  progress: () => ProgressNote | null;
  onFollowed: (followed: boolean) => void;
  log: Log;
};

/** Renews the lease until the signal is aborted or the lease is gone, and passes on what the answers ask for. */
export async function renewLoop(deps: RenewDeps, signal: AbortSignal): Promise<void> {
  const { contact, renewSeconds, log, attemptId } = deps;
  let answersSeen = contact?.count ?? 0;
  let told: ProgressNote | null = null;
  while (!signal.aborted) {
    try {
      await delay(renewSeconds * 1000, undefined, { signal });
      while (contact !== null && contact.count === answersSeen) await contact.next(signal);
      const answers = contact?.count ?? 0;
      const progress = deps.progress();
      await renewOnce(deps, progress === told ? null : progress, signal);
      answersSeen = answers;
      told = progress;
    } catch (error) {
      if (signal.aborted) return;
      const over = error instanceof ControlPlaneError && (error.kind === 'lease_lost' || error.kind === 'finished');
      if (over) return;
      log.error({ attempt_id: attemptId, cause: String(error) }, 'renewal failed'); // the next one may not
    }
  }
}

async function renewOnce(deps: RenewDeps, progress: ProgressNote | null, signal: AbortSignal): Promise<void> {
  const { plane, link, orders, lease, attemptId, onFollowed } = deps;
  let askedAt = 0;
  const renewal = await link(signal, () => {
    askedAt = lease.now();
    return plane.renew(attemptId, progress, signal);
  });
  lease.granted(askedAt, renewal.leaseSeconds);
  if (renewal.stopReason !== null) orders.stop(renewal.stopReason);
  onFollowed(renewal.followed);
}
