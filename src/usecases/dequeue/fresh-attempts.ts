import type { TaskRow } from '../../store/schema.ts';

/** What this process wrote when it gave an attempt out. Good for a guess that the database then checks. */
export type FreshAttempt = Pick<
  TaskRow,
  'id' | 'status' | 'event_n' | 'event_hash' | 'environment' | 'output_schema'
> & {
  attemptId: string;
  agentId: string;
  /** Tasks had failed on the agent for causes of its own. */
  doubted: boolean;
};

export type FreshAttempts = {
  remember(fresh: FreshAttempt): void;
  find(attemptId: string): FreshAttempt | undefined;
  forget(attemptId: string): void;
};

const MOST = 20_000;
/** A task may have half a megabyte of environment: so many of them would fill the memory. */
const HEAVIEST_CHARACTERS = 2_000;
const weightOf = ({ environment, output_schema }: FreshAttempt): number =>
  JSON.stringify(environment).length + (output_schema === null ? 0 : JSON.stringify(output_schema).length);

/**
 * Attempts that this process gave out a moment ago. Most are completed with nothing else having happened to them, and
 * then their end needs no look at what was written: one statement writes it where the row is as it is remembered.
 */
export function createFreshAttempts(): FreshAttempts {
  const known = new Map<string, FreshAttempt>();
  return {
    remember(fresh) {
      if (weightOf(fresh) > HEAVIEST_CHARACTERS) return;
      known.set(fresh.attemptId, fresh);
      if (known.size <= MOST) return;
      // The oldest: a map keeps the order in which it was filled.
      const oldest = known.keys().next().value;
      if (oldest !== undefined) known.delete(oldest);
    },
    find: (attemptId) => known.get(attemptId),
    forget: (attemptId) => void known.delete(attemptId),
  };
}
