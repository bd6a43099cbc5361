/** So many that none of them waits long for a connection of a small pool. */
const FEW = 8;

/** Does something many times, a few at once: of all at once the last would be refused a connection on a busy machine. */
export async function fewAtOnce<T>(count: number, act: (n: number) => Promise<T>): Promise<T[]> {
  const done: T[] = [];
  let next = 0;
  const work = async () => {
    for (let n = next++; n < count; n = next++) done[n] = await act(n);
  };
  await Promise.all(Array.from({ length: FEW }, work));
  return done;
}
