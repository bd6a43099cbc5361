type Running = { stop(): Promise<void> };
export type Replaceable<T> = { replace(settings: T): Promise<void>; stop(): Promise<void> };

/**
 * What runs by settings that may change: the new one begins before the old one ends, and if it can't begin the old one
 * goes on. Changes are made one after the other.
 */
export async function replaceable<T>(settings: T, begin: (settings: T) => Promise<Running>): Promise<Replaceable<T>> {
  let current = await begin(settings);
  let stopped = false;
  let last: Promise<void> = Promise.resolve();
  const inTurn = (act: () => Promise<void>): Promise<void> => {
    const done = last.then(act);
    last = done.catch(() => {});
    return done;
  };
  return {
    replace: (next) =>
      inTurn(async () => {
        if (stopped) return;
        const before = current;
        current = await begin(next);
        await before.stop();
      }),
    stop: () => {
      stopped = true;
      return inTurn(() => current.stop());
    },
  };
}
