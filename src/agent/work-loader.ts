import type { Work } from './work.ts';

/** What attempts are run with, loaded when it is first used: it is as large as all the rest of the agent. */
export type WorkLoader = {
  use(): Promise<Work>;
  /** For how long it was not used; null: it isn't there. */
  readonly unusedMs: number | null;
  end(): Promise<void>;
};

export function createWorkLoader(load: () => Promise<Work>): WorkLoader {
  let work: Promise<Work> | null = null;
  let usedAt = 0;
  return {
    use() {
      usedAt = performance.now();
      work ??= load();
      return work;
    },
    get unusedMs() {
      return work && performance.now() - usedAt;
    },
    end: async () => (await work?.catch(() => null))?.end(),
  };
}
