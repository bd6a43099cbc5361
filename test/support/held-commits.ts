import type pg from 'pg';

type Fate = 'held' | 'unanswered' | null;

/** Commits over this pool's connections are held until they are let go, or done without their answer. */
export function holdCommits(pool: pg.Pool) {
  let fate: Fate = null;
  let release = Promise.withResolvers<void>();
  let held = 0;
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const commit = async (...args: unknown[]) => {
      if (fate === 'unanswered') {
        fate = null;
        await query(...args);
        throw new Error('Connection terminated unexpectedly');
      }
      held += 1;
      await release.promise;
      return query(...args);
    };
    client.query = ((...args: unknown[]) =>
      args[0] === 'commit' && fate !== null ? commit(...args) : query(...args)) as typeof client.query;
  });
  return {
    hold() {
      fate = 'held';
      release = Promise.withResolvers();
    },
    letGo() {
      fate = null;
      release.resolve();
    },
    /** The next one. */
    loseAnswer() {
      fate = 'unanswered';
    },
    held: () => held,
  };
}
