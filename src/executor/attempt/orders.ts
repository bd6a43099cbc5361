import { createWake } from './wake.ts';

/** Why nothing more may be done for the attempt: lost to somebody else, or our own clock says that it may be. */
export type Fence = 'lease_lost' | 'lapsed';

/**
 * What the driver of an attempt is told while it works, by the control plane or by the program around it. Nothing here
 * is ever taken back.
 */
export type Orders = {
  /** The control plane wants the command stopped, for this reason. */
  stop(reason: string): void;
  readonly stopReason: string | null;
  /** What has not begun is not to begin. */
  readonly hold: boolean;
  fence(why: Fence): void;
  readonly fenced: Fence | null;
  /** Aborted when fenced. */
  readonly fenceSignal: AbortSignal;
  /** Waits, but not past an order: resolves after `ms`, or when there is a new one. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Ends a pause. */
  nudge(): void;
  release(): void;
};

/**
 * `handBack` aborted: the program around wants nothing new to begin. `stopAsked` aborted: it has heard before the next
 * renewal that the control plane wants the command stopped; the signal's reason is why.
 */
export function createOrders(handBack?: AbortSignal, stopAsked?: AbortSignal): Orders {
  const wake = createWake();
  const fenced = new AbortController();
  let stopReason: string | null = null;
  let fence: Fence | null = null;
  const stop = (reason: string) => {
    if (stopReason === null) wake.nudge();
    stopReason ??= reason;
  };
  const heard = () => stop(String(stopAsked?.reason));
  handBack?.addEventListener('abort', wake.nudge);
  stopAsked?.addEventListener('abort', heard);
  if (stopAsked?.aborted) heard();
  return {
    stop,
    get stopReason() {
      return stopReason;
    },
    get hold() {
      return stopReason !== null || handBack?.aborted === true;
    },
    fence(why) {
      fence ??= why;
      fenced.abort();
    },
    get fenced() {
      return fence;
    },
    fenceSignal: fenced.signal,
    pause: wake.wait,
    nudge: wake.nudge,
    release() {
      handBack?.removeEventListener('abort', wake.nudge);
      stopAsked?.removeEventListener('abort', heard);
    },
  };
}
