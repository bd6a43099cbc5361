import type { Bench } from './bench.ts';
import { completesMany, createTasks, registerAgents, TASK } from './prepare.ts';
import type { Server } from './server.ts';

const AGENTS = 32;
const MANY = 100;
const ELSEWHERE = 'nobody-has-this';

export type StockName = 'stock_finished' | 'stock_untakeable';

/** A database with history: made through the API once in a run, and used by several figures. */
export async function makeStock(bench: Bench, name: StockName): Promise<void> {
  const { postgres } = bench;
  const known = await postgres.query('postgres', 'select from pg_database where datname = $1', [name]);
  if (known.length > 0) return;
  try {
    await fill(bench, name);
  } catch (error) {
    await postgres.drop(name); // the next who asks would take it for whole
    throw error;
  }
}

async function fill(bench: Bench, name: StockName): Promise<void> {
  const total = name === 'stock_finished' ? bench.sizes.finished : bench.sizes.untakeable;
  bench.say(`preparing ${total} tasks in ${name}`);
  {
    await using server = await bench.startServer(name);
    if (name === 'stock_finished') await finishTasks(bench, server, total);
    else await createTasks(bench, server, total, { ...TASK, requires: [ELSEWHERE] });
  }
  // As autovacuum would have left it long ago.
  await bench.postgres.query(name, 'vacuum analyze');
}

async function finishTasks(bench: Bench, server: Server, total: number): Promise<void> {
  const tokens = await registerAgents(server, AGENTS);
  const perCall = (await completesMany(bench, server, tokens[0] ?? '')) ? MANY : 1;
  await createTasks(bench, server, total);
  await bench.postgres.query(server.database, 'analyze');
  await bench.load.run('drain', { address: server.target, tokens, total, perCall, atMostSeconds: 1_000 });
}
