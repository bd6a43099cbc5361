/** Who watches an attempt's log here: its tail is then wanted at once, not at the end. */
export type Followers = {
  /** Counts a watcher of an attempt's log; answers how to take it back. */
  add(attemptId: string): () => void;
  has(attemptId: string): boolean;
};

export function createFollowers(): Followers {
  const watching = new Map<string, number>();
  return {
    has: (attemptId) => watching.has(attemptId),
    add(attemptId) {
      watching.set(attemptId, (watching.get(attemptId) ?? 0) + 1);
      return () => {
        const left = (watching.get(attemptId) ?? 1) - 1;
        if (left === 0) watching.delete(attemptId);
        else watching.set(attemptId, left);
      };
    },
  };
}
