import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../executor/log.ts';
import { unlessAborted } from '../executor/until.ts';
import type { Reserve } from './reserve.ts';
import type { AgentStore } from './store.ts';

/** Why nothing new is taken: somebody wants it so, or there is no room to keep it. */
export type Closed = 'drain' | 'store_full';

/** Decides whether the agent takes new work. */
export type Intake = {
  readonly closed: Closed | null;
  /** Whether a person wants nothing new to be taken; still so after a restart. */
  drain(is: boolean): void;
  /** Nothing new is taken before the next start. */
  end(): void;
  /** Looks whether there is room. */
  look(): void;
  /** Resolves as soon as new work is taken. @throws the signal's reason */
  opened(signal: AbortSignal): Promise<void>;
  /** Calls this whenever `closed` has become something else. */
  onChange(listener: () => void): void;
};

export type IntakeDeps = { store: Pick<AgentStore, 'drained'>; reserve: Reserve; log: Log };

export function createIntake({ store, reserve, log }: IntakeDeps): Intake {
  const listeners: (() => void)[] = [];
  let full = !reserve.hasRoom();
  let over = false;
  let changed = Promise.withResolvers<void>();
  const closedNow = (): Closed | null => (over || store.drained ? 'drain' : full ? 'store_full' : null);
  const change = (work: () => void) => {
    const before = closedNow();
    work();
    if (closedNow() === before) return;
    changed.resolve();
    changed = Promise.withResolvers();
    for (const listener of listeners) listener();
  };
  return {
    get closed() {
      return closedNow();
    },
    drain: (is) =>
      change(() => {
        store.drained = is;
      }),
    end: () =>
      change(() => {
        over = true;
      }),
    look: () =>
      change(() => {
        const was = full;
        full = !reserve.hasRoom();
        if (full && !was) log.warn({}, 'the disk is nearly full: taking nothing new until there is room');
        if (was && !full) log.info({}, 'there is room on the disk again');
      }),
    async opened(signal) {
      while (closedNow() !== null) await unlessAborted(changed.promise, signal);
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

const LOOK_MS = 5_000;

/** Looks whether there is room, again and again. */
export async function roomLoop(intake: Intake, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(LOOK_MS, undefined, { signal }).catch(() => {});
    if (!signal.aborted) intake.look();
  }
}
