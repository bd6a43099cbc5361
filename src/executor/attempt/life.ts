import type { Result } from '../../domain/attempt.ts';
import type { MachineReport } from '../../domain/machine.ts';
import type { ProgressNote } from '../control-plane.ts';
import type { Machine } from '../machine.ts';
import { type Announcer, createAnnouncer } from './announce.ts';
import { askMachine, type Patience } from './ask-machine.ts';
import { type Contact, noteContact } from './contact.ts';
import { createLeaseClock, type LeaseClock } from './lease-clock.ts';
import type { Memory } from './next-act.ts';
import type { RunAttemptOptions } from './options.ts';
import { createOrders, type Orders } from './orders.ts';
import { createPlaneLink, type PlaneLink } from './plane-link.ts';
import { createLogPump, type LogPump } from './pump-log.ts';
import { readProgress } from './read-progress.ts';
import { createRenewer, type Renewer } from './renew-lease.ts';

/** What changes while an attempt is driven, besides what the parts keep for themselves. */
type Seen = {
  /** Somebody watches the log. */
  followed: boolean;
  progressLine: string | null;
  progress: ProgressNote | null;
  /** What is said at the end, once it is known. */
  result: Result | null;
};

/** All parts that work together for one attempt while it is driven. */
export type Life = {
  options: RunAttemptOptions;
  attemptId: string;
  orders: Orders;
  lease: LeaseClock;
  /** Aborted when driving must end, whoever says so. */
  signal: AbortSignal;
  link: PlaneLink;
  machine: Machine;
  contact: Contact;
  patience: Patience;
  memory: Memory;
  seen: Seen;
  pump: LogPump;
  announcer: Announcer;
  renewer: Renewer;
  random: () => number;
  now: () => number;
};

export function createLife(options: RunAttemptOptions): Life {
  const { contactLease, hooks = {}, log, random = Math.random, now = () => performance.now() } = options;
  const { attemptId } = options.spec;
  const orders = createOrders(options.handBack, options.stopAsked);
  const lease = createLeaseClock(orders, contactLease?.seconds ?? null, now);
  const signal = AbortSignal.any([options.signal, orders.fenceSignal]);
  const seen: Seen = { followed: false, progressLine: null, progress: null, result: options.resume?.result ?? null };
  const core = {
    options,
    attemptId,
    orders,
    lease,
    signal,
    link: createPlaneLink({ orders, lease, random, log, attemptId }),
    ...noteContact(options.machine, () => hooks.onContact?.()),
    patience: { random, signal },
    memory: memoryOf(options),
    seen,
    random,
    now,
  };
  return { ...core, pump: pumpOf(core), announcer: announcerOf(core), renewer: renewerOf(core) };
}

const memoryOf = ({ resume }: RunAttemptOptions): Memory => ({
  sent: resume !== null && (resume.store !== null || resume.process !== null),
  processSeen: resume !== null && resume.process !== null,
  store: resume?.store ?? null,
});

type Core = Omit<Life, 'pump' | 'announcer' | 'renewer'>;

const pumpOf = ({ options, attemptId, link, machine, seen, random }: Core): LogPump =>
  createLogPump({
    plane: options.plane,
    link,
    attemptId,
    collect: (stream, offset, limit, signal) =>
      askMachine({ random, signal }, () => machine.collect(attemptId, stream, offset, limit, signal)),
    onFollowed: (followed) => {
      seen.followed = followed;
    },
    log: options.log,
  });

const announcerOf = ({ options, attemptId, link, orders, signal }: Core): Announcer =>
  createAnnouncer(
    {
      plane: options.plane,
      link,
      orders,
      attemptId,
      onProcess: async (process) => options.hooks?.onProcess?.(process),
      log: options.log,
    },
    signal,
  );

const renewerOf = ({ options, attemptId, link, orders, lease, contact, seen }: Core): Renewer =>
  createRenewer({
    plane: options.plane,
    link,
    orders,
    lease,
    attemptId,
    renewSeconds: options.renewSeconds,
    contact: options.contactLease === undefined ? null : contact,
    progress: () => seen.progress,
    onFollowed: (followed) => {
      seen.followed = followed;
    },
    log: options.log,
  });

/** Notes what a report says of how far the command is; the same note as before unless it says something new. */
export function noteProgress({ seen }: Life, { progress: line }: MachineReport): void {
  if (line === null || line === seen.progressLine) return;
  seen.progressLine = line;
  seen.progress = readProgress(line);
}
