import { setTimeout as delay } from 'node:timers/promises';
import { LOG_HEAD_BYTES } from '../../domain/attempt.ts';
import { type MachineReport, STREAMS } from '../../domain/machine.ts';
import { createBackoff, linkBackoff } from '../backoff.ts';
import { ControlPlaneError } from '../control-plane.ts';
import type { Log } from '../log.ts';
import { type LogPiece, type Machine, MachineError } from '../machine.ts';
import type { Orders } from './orders.ts';
import { type LogPump, OutOfStep } from './pump-log.ts';

export type WatchDeps = {
  machine: Machine;
  attemptId: string;
  killGraceSeconds: number;
  orders: Orders;
  pump: LogPump;
  isFollowed: () => boolean;
  onReport: (report: MachineReport) => void;
  random: () => number;
  log: Log;
};

/** A machine that says nothing of its own is asked this often. */
const ASK_MS = 5_000;
/** While somebody watches a log that is past its head. */
const ASK_FOLLOWED_MS = 1_000;
/**
 * The machine carries an order out by itself; it is given again in case whoever did so there was killed. Each one that is
 * given looks through all processes of the machine, so meanwhile it is only asked.
 */
const CANCEL_AGAIN_MS = 5_000;
const isGoing = ({ state }: MachineReport): boolean => state === 'starting' || state === 'running';

/**
 * Watches a command to its end: passes its output on live, asks the machine how it stands, and has it ended when that
 * is ordered. Live output is best effort; only what the machine answers counts.
 */
export async function watchCommand(deps: WatchDeps, outer: AbortSignal): Promise<MachineReport> {
  const over = new AbortController();
  const signal = AbortSignal.any([outer, over.signal]);
  const live = followLog(deps, signal);
  live.ended.catch(() => {}); // awaited below, and no surprise until then
  const sampler = createSampler(deps, signal);
  const isStuck = createStuckCheck(deps.pump);
  const seen = (report: MachineReport) => {
    sampler.sample(report);
    if (isStuck(report)) live.beginAnew();
  };
  try {
    return await askUntilEnded(deps, seen, outer);
  } finally {
    over.abort();
    await Promise.all([live.ended, sampler.idle()]);
  }
}

async function askUntilEnded(deps: WatchDeps, seen: (report: MachineReport) => void, signal: AbortSignal) {
  const { machine, attemptId, killGraceSeconds, orders, isFollowed } = deps;
  const ending = createBackoff({ minMs: 200, maxMs: 2_000, random: deps.random });
  const away = linkBackoff(deps.random);
  let askMs = 50;
  let cancelAtMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    await orders.pause(orders.stopReason !== null ? Math.min(askMs, ending.next()) : askMs, signal);
    try {
      const cancels = orders.stopReason !== null && performance.now() >= cancelAtMs;
      const report = cancels
        ? await machine.cancel(attemptId, killGraceSeconds, signal)
        : await machine.status(attemptId, signal);
      if (cancels) cancelAtMs = performance.now() + CANCEL_AGAIN_MS;
      deps.onReport(report);
      if (!isGoing(report)) return report;
      seen(report);
      away.reset();
      askMs = isFollowed() ? ASK_FOLLOWED_MS : ASK_MS;
    } catch (error) {
      if (!(error instanceof MachineError)) throw error;
      askMs = away.next();
    }
  }
}

type Sampler = { sample: (report: MachineReport) => void; idle: () => Promise<void> };

/** Sends the tails of long streams beside the asking, never twice at once. */
function createSampler({ pump, isFollowed }: WatchDeps, signal: AbortSignal): Sampler {
  let current: Promise<void> | null = null;
  return {
    sample(report) {
      if (current !== null || !isFollowed()) return;
      current = pump
        .sampleTails(report, signal)
        .catch(() => {}) // it is sent at the end in any case
        .finally(() => {
          current = null;
        });
    },
    idle: async () => current ?? undefined,
  };
}

/** Live output is silent although the command has written more than the control plane has, and it was so before. */
function createStuckCheck(pump: Pick<LogPump, 'offsets'>): (report: MachineReport) => boolean {
  let before: string | null = null;
  return ({ streams }) => {
    const { offsets } = pump;
    const behind = STREAMS.some((stream) => offsets[stream] < Math.min(streams[stream].total, LOG_HEAD_BYTES));
    const now = behind ? STREAMS.map((stream) => offsets[stream]).join() : null;
    const stuck = now !== null && now === before;
    before = now;
    return stuck;
  };
}

type Live = { ended: Promise<void>; beginAnew(): void };

function followLog(deps: WatchDeps, signal: AbortSignal): Live {
  const { machine, attemptId, orders, pump } = deps;
  const backoff = linkBackoff(deps.random);
  let round = new AbortController();
  const follow = async () => {
    while (!signal.aborted) {
      round = new AbortController();
      const both = AbortSignal.any([signal, round.signal]);
      const take = (piece: LogPiece) => {
        backoff.reset();
        return pump.takePiece(piece, both);
      };
      try {
        await machine.follow(attemptId, { ...pump.offsets }, take, both);
        orders.nudge(); // it ended, or the link did: ask which
      } catch (error) {
        if (signal.aborted || isOver(deps, round.signal, error)) return;
      }
      await delay(backoff.next(), undefined, { signal }).catch(() => {});
    }
  };
  return { ended: follow(), beginAnew: () => round.abort() };
}

/** Whether following has an end with this error; throws what is none of the link's. */
function isOver({ attemptId, log }: WatchDeps, round: AbortSignal, error: unknown): boolean {
  if (error instanceof ControlPlaneError) return true; // the lease is gone: noted where it was found
  const known = round.aborted || error instanceof MachineError || error instanceof OutOfStep;
  if (!known) throw error;
  log.debug({ attempt_id: attemptId, cause: String(error) }, 'live log interrupted');
  return false;
}
