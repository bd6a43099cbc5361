import { mkdtempSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadJobs } from '../load/jobs.ts';
import { installPeers } from '../peers/install.ts';
import type { PeerJobs } from '../peers/jobs.ts';
import { type Children, createChildren } from './children.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type Server, startServer } from './server.ts';
import { type Sizes, sizesOf } from './sizes.ts';
import { startWorker, type Worker } from './worker.ts';

export type BenchOptions = { quick: boolean; cores: string; rounds: number | null; nodeFlags: readonly string[] };
/** What a figure has to work with. */
export type Bench = {
  folder: string;
  sizes: Sizes;
  postgres: Postgres;
  children: Children;
  load: Worker<LoadJobs>;
  /** Null: they can't be installed here, and `peersMissing` says why. */
  peers: Worker<PeerJobs> | null;
  peersMissing: string | null;
  say(text: string): void;
  /** Taskejo on a database of its own, which is made if it isn't there. */
  startServer(database: string, config?: string): Promise<Server>;
  /** What is to be done at the end of the run, however that comes. */
  parts: AsyncDisposableStack;
};

const TMPFS = 0x01021994;
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** A folder on a disk: in memory a commit costs nothing, and every ratio would be another one. */
function makeFolder(warn: (text: string) => void): string {
  const roots = [process.env.TASKEJO_BENCH_DIR ?? tmpdir(), '/var/tmp'];
  const root = roots.find((path) => statfsSync(path).type !== TMPFS);
  if (root === undefined) warn(`${roots.join(' and ')} are in memory: commits cost nothing here, no figure counts`);
  return mkdtempSync(join(root ?? tmpdir(), 'taskejo-bench-'));
}

/** Starts PostgreSQL, the load generator and the peers. What it makes is undone by `parts`, also in the middle. */
export async function createBench(
  { quick, cores, rounds, nodeFlags }: BenchOptions,
  parts: AsyncDisposableStack,
): Promise<Bench> {
  const say = (text: string) => console.error(text);
  const warn = (text: string) => say(`WARNING: ${text}`);
  const peersMissing = installPeers(say);
  if (peersMissing !== null) warn(`${peersMissing}: ratios to graphile-worker and pg-boss are left out`);
  const folder = makeFolder(warn);
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  const children = createChildren(cores, warn);
  const postgres = await startPostgres(folder, children.pinning);
  parts.defer(() => postgres.stop());
  parts.defer(() => children.endAll());
  if (postgres.pgbench === null) warn("there is no pgbench: ratios to it are left out (Debian's postgresql has it)");
  const sizes = sizesOf(quick);
  return {
    folder,
    parts,
    sizes: rounds === null ? sizes : { ...sizes, rounds },
    postgres,
    children,
    load: startWorker<LoadJobs>(children, file('../load/main.ts')),
    peers: peersMissing === null ? startWorker<PeerJobs>(children, file('../peers/main.ts')) : null,
    peersMissing,
    say,
    async startServer(database, config) {
      const known = await postgres.query('postgres', 'select from pg_database where datname = $1', [database]);
      if (known.length === 0) await postgres.create(database);
      const databaseUrl = postgres.url(database);
      return startServer({
        children,
        folder,
        database,
        databaseUrl,
        nodeFlags,
        ...(config === undefined ? {} : { config }),
      });
    },
  };
}
