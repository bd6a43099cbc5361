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

export function createFollowers(wakeups: Pick<Wakeups, 'emit' | 'subscribe'>): Followers {
  const watching = new Map<string, number>();
  const elsewhere = new Map<string, number>();
  let telling: NodeJS.Timeout | null = null;

  const tell = () =>
    wakeups.emit(...[...watching.keys()].map((attemptId) => ({ kind: 'followed' as const, attemptId })));
  const forgetOld = (nowMs: number) => {
    for (const [attemptId, untilMs] of elsewhere) if (untilMs <= nowMs) elsewhere.delete(attemptId);
  };
  wakeups.subscribe((hint) => {
    if (hint.kind !== 'followed' || watching.has(hint.attemptId)) return;
    const nowMs = performance.now();
    forgetOld(nowMs);
    elsewhere.set(hint.attemptId, nowMs + TOLD_FOR_MS);
  });

  const leave = (attemptId: string) => {
    const left = (watching.get(attemptId) ?? 1) - 1;
    if (left > 0) watching.set(attemptId, left);
    else watching.delete(attemptId);
    if (watching.size > 0 || telling === null) return;
    clearInterval(telling);
    telling = null;
  };
  return {
    has: (attemptId) => watching.has(attemptId) || (elsewhere.get(attemptId) ?? 0) > performance.now(),
    add(attemptId) {
      const count = watching.get(attemptId) ?? 0;
      watching.set(attemptId, count + 1);
      if (count === 0) wakeups.emit({ kind: 'followed', attemptId });
      telling ??= setInterval(tell, TOLD_EVERY_MS).unref();
      return () => leave(attemptId);
    },
  };
}
