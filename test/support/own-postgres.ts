import pg from 'pg';
import { onTestFinished } from 'vitest';
import { type EmbeddedDatabase, startEmbedded } from '../../src/store/embedded/start-embedded.ts';
import { descendants, killAll } from './proc.ts';
import { temporaryFolder } from './temporary.ts';

/** A PostgreSQL for one test alone, which may do to it what others would suffer from. */
export type OwnPostgres = {
  url: string;
  /** Kills all its processes at once; what was committed is on disk. */
  kill(): Promise<void>;
  /** Starts it again where it was. */
  start(): Promise<void>;
  freeze(): void;
  thaw(): void;
  query<T extends pg.QueryResultRow>(statement: string, values?: unknown[]): Promise<T[]>;
};

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const dataDir = temporaryFolder();
  let server: EmbeddedDatabase = await startEmbedded({ dataDir });
  const all = () => [server.pid, ...descendants(server.pid).map(({ pid }) => pid)];
  // The postmaster first: what doesn't run makes no children.
  const tell = (signal: NodeJS.Signals) => killAll(all(), signal);
  onTestFinished(async () => {
    tell('SIGCONT');
    await server.stop();
  });
  return {
    url: server.connectionString,
    async kill() {
      tell('SIGKILL');
      await server.exited;
      await server.stop();
    },
    async start() {
      server = await startEmbedded({ dataDir });
    },
    freeze: () => tell('SIGSTOP'),
    thaw: () => tell('SIGCONT'),
    async query<T extends pg.QueryResultRow>(statement: string, values: unknown[] = []) {
      const client = new pg.Client({ connectionString: server.connectionString });
      await client.connect();
      try {
        return (await client.query<T>(statement, values)).rows;
      } finally {
        await client.end();
      }
    },
  };
}
