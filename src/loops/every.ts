import { setTimeout as delay } from 'node:timers/promises';

export type Loop = {
  /** Runs soon, once more than it would. */
  nudge(): void;
  /** Resolves when what runs has ended. */
  stop(): Promise<void>;
};
type Log = Record<'info' | 'error', (fields: object, message: string) => void>;
export type LoopOptions = {
  name: string;
  everyMs: number;
  /** Between the end of one turn and the next, however often it is nudged. */
  gapMs?: number;
  turn: (signal: AbortSignal) => Promise<void>;
  log: Log;
};

/**
 * Does something at once and then again and again, never twice at the same time. A turn that fails is followed by the
 * next all the same: what it did not do is still there to be done. The log tells when it began to fail, and when no more.
 */
export function every({ name, everyMs, gapMs = 0, turn, log }: LoopOptions): Loop {
  const stopping = new AbortController();
  const { signal } = stopping;
  let wake: () => void = () => {};
  let nudged = false;
  let failing = false;

  const pause = () =>
    new Promise<void>((resolve) => {
      if (nudged || signal.aborted) return resolve();
      const timer = setTimeout(resolve, everyMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const takeTurn = async () => {
    try {
      await turn(signal);
      if (failing) log.info({ loop: name }, `${name} works again`);
      failing = false;
    } catch (error) {
      if (!failing && !signal.aborted) log.error({ err: error, loop: name }, `${name} failed, trying again`);
      failing = true;
    }
  };

  const run = async () => {
    while (!signal.aborted) {
      nudged = false;
      await takeTurn();
      if (gapMs > 0) await delay(gapMs, undefined, { signal }).catch(() => {});
      await pause();
    }
  };

  const running = run();
  return {
    nudge() {
      nudged = true;
      wake();
    },
    async stop() {
      stopping.abort();
      wake();
      await running;
    },
  };
}
