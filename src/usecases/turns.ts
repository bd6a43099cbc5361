/** So many batches of a kind are under way at most. */
const AT_ONCE = 3;
/** A batch that takes longer waits for somebody; what came after it needn't. */
const PATIENCE_MS = 50;

export type TurnsOptions = {
  /** How many wait for a turn. */
  waiting: () => number;
  /** How many one turn serves at most. */
  most: number;
  /** Takes what waits and serves it. */
  turn: () => Promise<void>;
};

/**
 * Says when a batch begins. At the end of this turn of the event loop, so that what comes together goes together. Beside
 * one that is under way, another begins only where it is full, as two halves cost more than they save; or when the one
 * before takes long.
 */
export function createTurns({ waiting, most, turn }: TurnsOptions): { ask(): void } {
  let underWay = 0;
  let scheduled = false;
  let impatient = false;

  const mayBegin = (late: boolean) => {
    const count = waiting();
    if (count === 0 || underWay >= AT_ONCE) return false;
    return underWay === 0 || late || count >= most;
  };

  const begin = () => {
    underWay += 1;
    void turn().finally(() => {
      underWay -= 1;
      ask();
    });
  };

  const flush = (late: boolean) => {
    while (mayBegin(late)) begin();
  };

  const ask = () => {
    if (waiting() === 0) return;
    if (mayBegin(false)) {
      if (scheduled) return;
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        flush(false);
      });
    } else if (underWay < AT_ONCE) {
      if (impatient) return;
      impatient = true;
      setTimeout(() => {
        impatient = false;
        flush(true);
      }, PATIENCE_MS);
    }
  };
  return { ask };
}
