import pg from 'pg';
import type { Figure } from '../support/figure.ts';
import { NotAvailable } from '../support/jobs.ts';
import { metric, readMetrics } from '../support/metrics.ts';
import { registerAgents, TASK } from '../support/prepare.ts';
import { atLeast, atMost, type MissingRow, type Row } from '../support/rows.ts';
import type { Server } from '../support/server.ts';

const LOOPS = 8;
const PARTS = 6;
const WARM_SECONDS = 3;

/** Somebody keeps a transaction open, so that nothing can be vacuumed that ended since. */
export const snapshot: Figure = {
  name: 'snapshot',
  title: `claims while somebody holds a snapshot, ${LOOPS} loops of create, claim, complete`,
  async run({ sizes, postgres, load, startServer }) {
    await using server = await startServer('snapshot');
    const tokens = await registerAgents(server, LOOPS);
    const common = { address: server.target, tokens, adminToken: server.adminToken, task: TASK };
    await load.run('loops', { ...common, seconds: WARM_SECONDS, parts: 1 });
    await using holder = await holdSnapshot(postgres.url('snapshot'));
    const parts = await load.run('loops', { ...common, seconds: sizes.snapshotSeconds, parts: PARTS });
    const last = parts.slice(-1);
    const alarm = await seenInMetrics(server, holder.seconds());
    const of = `last sixth of ${sizes.snapshotSeconds} s`;
    return [
      { title: `claim p50, ${of}`, unit: 'ms', rounds: last.map((part) => part.p50Ms) },
      { title: `claim p99, ${of}`, unit: 'ms', rounds: last.map((part) => part.p99Ms), goal: atMost(100) },
      { title: 'claim p50, by sixths', unit: 'ms', rounds: parts.map((part) => part.p50Ms) },
      { title: 'claims, by sixths', unit: '/s', rounds: parts.map((part) => part.perSecond) },
      alarm,
    ];
  },
};

async function holdSnapshot(connectionString: string): Promise<AsyncDisposable & { seconds(): number }> {
  const client = new pg.Client({ connectionString, application_name: 'a report that nobody ended' });
  await client.connect();
  await client.query('begin isolation level repeatable read');
  await client.query('select 1');
  const began = performance.now();
  return { seconds: () => (performance.now() - began) / 1000, [Symbol.asyncDispose]: () => client.end() };
}

/** The age that an operator is told: it may be a look of the server old. */
async function seenInMetrics(server: Server, seconds: number): Promise<Row | MissingRow> {
  const title = `age that /metrics tells, held for ${Math.round(seconds)} s`;
  try {
    const told = metric(await readMetrics(server), 'taskejo_database_oldest_snapshot_seconds');
    return { title, unit: 's', rounds: [told], goal: atLeast(Math.floor(seconds * 0.7)) };
  } catch (error) {
    if (error instanceof NotAvailable) return { title, missing: `not available yet: ${error.message}` };
    throw error;
  }
}
