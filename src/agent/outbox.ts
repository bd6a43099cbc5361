import type { Result } from '../domain/attempt.ts';
import type { ControlPlane } from '../executor/control-plane.ts';
import { unlessAborted } from '../executor/until.ts';

export type Ending = { attemptId: string; result: Result };

/** Says how several attempts ended; answers for each what was wrong with it, null where it was accepted. */
export type SayEndings = (endings: readonly Ending[], signal: AbortSignal) => Promise<(Error | null)[]>;

/**
 * Results go to the server in the order in which the commands ended, however the logs before them are held up, and
 * several at once where several wait.
 */
export type Outbox = {
  /** The attempt has ended: what ends later is said after it. */
  ended(attemptId: string): void;
  complete: ControlPlane['complete'];
  /** Nothing more is said of the attempt. */
  left(attemptId: string): void;
};

type Waiting = { result: Result; outcome: PromiseWithResolvers<void>; impatient: boolean };
type Entry = { attemptId: string; waiting: Waiting | null };

const MOST = 100;
/** A result waits for those before it, but not for ever: one whose machine can't be read must not hold up all others. */
const PATIENCE_MS = 30_000;

export function createOutbox(say: SayEndings, signal: AbortSignal): Outbox {
  const entries: Entry[] = [];
  let saying = false;

  const entryOf = (attemptId: string): Entry => {
    const found = entries.find((entry) => entry.attemptId === attemptId);
    if (found !== undefined) return found;
    const made = { attemptId, waiting: null };
    entries.push(made);
    return made;
  };
  const remove = (attemptId: string) => {
    const at = entries.findIndex((entry) => entry.attemptId === attemptId);
    if (at >= 0) entries.splice(at, 1);
  };

  async function sayAll(): Promise<void> {
    if (saying) return;
    saying = true;
    for (let batch = nextOf(entries); batch.length > 0; batch = nextOf(entries)) await sayBatch(batch);
    saying = false;
  }

  async function sayBatch(batch: readonly { attemptId: string; waiting: Waiting }[]): Promise<void> {
    const errors = await say(
      batch.map(({ attemptId, waiting: { result } }) => ({ attemptId, result })),
      signal,
    ).catch((error: Error) => batch.map(() => error));
    for (const [index, { attemptId, waiting }] of batch.entries()) {
      const error = errors[index] ?? null;
      const entry = entryOf(attemptId);
      if (entry.waiting === waiting) entry.waiting = null;
      if (error === null) remove(attemptId);
      if (error === null) waiting.outcome.resolve();
      else waiting.outcome.reject(error);
    }
  }

  return {
    ended: (attemptId) => void entryOf(attemptId),
    async complete(attemptId, result, caller) {
      const waiting: Waiting = { result, outcome: Promise.withResolvers<void>(), impatient: false };
      waiting.outcome.promise.catch(() => {}); // the caller may have gone
      entryOf(attemptId).waiting = waiting;
      const impatience = setTimeout(() => {
        waiting.impatient = true;
        void sayAll();
      }, PATIENCE_MS);
      void sayAll();
      try {
        await unlessAborted(waiting.outcome.promise, caller);
      } finally {
        clearTimeout(impatience);
      }
    },
    left(attemptId) {
      remove(attemptId);
      void sayAll();
    },
  };
}

/** What may be said now: from the first on as long as nothing is missing, and what has waited long enough. */
function nextOf(entries: readonly Entry[]): { attemptId: string; waiting: Waiting }[] {
  const missing = entries.findIndex(({ waiting }) => waiting === null);
  return entries
    .flatMap(({ attemptId, waiting }, index) => {
      if (waiting === null) return [];
      return missing < 0 || index < missing || waiting.impatient ? [{ attemptId, waiting }] : [];
    })
    .slice(0, MOST);
}
