import type { Bench } from '../support/bench.ts';
import type { Figure } from '../support/figure.ts';
import { NotAvailable } from '../support/jobs.ts';
import { PER_STATEMENT, runPgbench } from '../support/pgbench.ts';
import { analyze, completesMany, createTasks, registerAgents } from '../support/prepare.ts';
import { atLeast, ratios } from '../support/rows.ts';

const AGENTS = 128;
const BASE = 'batch_base';
const COPY = 'batch_copy';

/** A hundred a call over HTTP with everything written, against bare statements of a hundred on the same tables. */
export const batch: Figure = {
  name: 'batch',
  title: `dequeue and complete over HTTP, ${AGENTS} agents, ${PER_STATEMENT} a call`,
  async run(bench) {
    const tokens = await fill(bench);
    const [ours, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < bench.sizes.rounds; round++) {
      ours.push(await onCopy(bench, () => drainTaskejo(bench, tokens)));
      if (bench.postgres.pgbench === null) continue;
      bare.push(await onCopy(bench, () => runPgbench(bench, COPY, bench.sizes.batchTasks)));
    }
    const title = `Taskejo / pgbench, ${PER_STATEMENT} a statement on the same tables`;
    return [
      bare.length === 0
        ? { title, missing: 'there is no pgbench here' }
        : { title, unit: '×', rounds: ratios(ours, bare), goal: atLeast(0.5, 0.8) },
      { title: 'Taskejo', unit: '/s', rounds: ours },
      { title: 'pgbench, 2 clients', unit: '/s', rounds: bare },
    ];
  },
};

/** Enough that each agent can come a few times, and some to warm up with. */
const warmTasks = (bench: Bench) => bench.sizes.batchTasks / 8;

async function fill(bench: Bench): Promise<string[]> {
  await using server = await bench.startServer(BASE);
  const tokens = await registerAgents(server, AGENTS);
  if (!(await completesMany(bench, server, tokens[0] ?? ''))) throw new NotAvailable('completing many at once');
  await createTasks(bench, server, bench.sizes.batchTasks + warmTasks(bench));
  await analyze(bench, BASE);
  return tokens;
}

/** Both begin with the same rows, so that what earlier turns left behind burdens neither. */
async function onCopy(bench: Bench, turn: () => Promise<number>): Promise<number> {
  await bench.postgres.create(COPY, BASE);
  try {
    return await turn();
  } finally {
    await bench.postgres.drop(COPY);
  }
}

async function drainTaskejo(bench: Bench, tokens: readonly string[]): Promise<number> {
  await using server = await bench.startServer(COPY);
  const common = { address: server.target, tokens, perCall: PER_STATEMENT, atMostSeconds: bench.sizes.drainSeconds };
  await bench.load.run('drain', { ...common, total: warmTasks(bench) });
  // Agents that were on their way when it was warm have taken a hundred more each: half is surely there.
  const { done, seconds } = await bench.load.run('drain', { ...common, total: bench.sizes.batchTasks / 2 });
  return done / seconds;
}
