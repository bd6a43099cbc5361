import type { Wakeups } from '../../store/wakeups.ts';

/** Who watches an attempt's log, here or on another replica: its tail is then wanted at once, not at the end. */
export type Followers = {
  /** Counts a watcher of an attempt's log; answers how to take it back. */
  add(attemptId: string): () => void;
  has(attemptId: string): boolean;
};

/** Other replicas are told this often: a hint may be lost, and none tells that nobody watches any more. */
const TOLD_EVERY_MS = 5_000;
const TOLD_FOR_MS = 3 * TOLD_EVERY_MS;

/** Each log tells of itself in its own time, as one NOTIFY carries no more than a hundred hints. */
type Watched = { count: number; telling: NodeJS.Timeout };

export function createFollowers(wakeups: Pick<Wakeups, 'emit' | 'subscribe'>): Followers {
  const here = new Map<string, Watched>();
  const elsewhere = new Map<string, number>();
  wakeups.subscribe((hint) => {
    if (hint.kind !== 'followed' || here.has(hint.attemptId)) return;
    const nowMs = performance.now();
    for (const [attemptId, untilMs] of elsewhere) if (untilMs <= nowMs) elsewhere.delete(attemptId);
    elsewhere.set(hint.attemptId, nowMs + TOLD_FOR_MS);
  });

  const begin = (attemptId: string): Watched => {
    const tell = () => wakeups.emit({ kind: 'followed', attemptId });
    const watched = { count: 0, telling: setInterval(tell, TOLD_EVERY_MS).unref() };
    here.set(attemptId, watched);
    tell();
    return watched;
  };
  return {
    has: (attemptId) => here.has(attemptId) || (elsewhere.get(attemptId) ?? 0) > performance.now(),
    add(attemptId) {
      const watched = here.get(attemptId) ?? begin(attemptId);
      watched.count += 1;
      return () => {
        watched.count -= 1;
        if (watched.count > 0) return;
        clearInterval(watched.telling);
        here.delete(attemptId);
      };
    },
  };
}
