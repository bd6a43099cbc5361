import type { Bench } from '../support/bench.ts';
import type { Figure } from '../support/figure.ts';
import { analyze, createTasks, registerAgents } from '../support/prepare.ts';
import { atLeast, ratios } from '../support/rows.ts';

const AGENTS = 128;
const BASE = 'fresh_base';

/** The same work on two copies of a new database, one without statistics: a plan made blindly must not be a bad one. */
export const fresh: Figure = {
  name: 'fresh',
  title: `${AGENTS} agents, one task each, on a new database before its first ANALYZE`,
  async run(bench) {
    const { sizes } = bench;
    await setAutovacuum(bench, 'off');
    try {
      const tokens = await fill(bench);
      const [before, after]: [number[], number[]] = [[], []];
      for (let round = 0; round < sizes.rounds; round++) {
        before.push(await turn(bench, tokens, false));
        after.push(await turn(bench, tokens, true));
      }
      return [
        { title: 'before the first ANALYZE / after', unit: '×', rounds: ratios(before, after), goal: atLeast(0.9) },
        { title: 'before', unit: '/s', rounds: before },
        { title: 'after', unit: '/s', rounds: after },
      ];
    } finally {
      await setAutovacuum(bench, 'on');
    }
  },
};

/** It would come in the middle of a turn, and analyze. */
async function setAutovacuum({ postgres }: Bench, value: 'on' | 'off'): Promise<void> {
  await postgres.query('postgres', `alter system set autovacuum = ${value}`);
  await postgres.query('postgres', 'select pg_reload_conf()');
}

async function fill(bench: Bench): Promise<string[]> {
  await using server = await bench.startServer(BASE);
  await createTasks(bench, server, bench.sizes.freshTasks);
  return await registerAgents(server, AGENTS);
}

/** What was just written is in memory, unlike the files of a copy; `analyze` alone would read some of them. */
async function readAll({ postgres }: Bench, database: string): Promise<void> {
  for (const table of ['tasks', 'events', 'agents', 'tokens'])
    await postgres.query(database, `select sum(length(t::text)) from ${table} t`);
}

async function turn(bench: Bench, tokens: readonly string[], analyzed: boolean): Promise<number> {
  const { postgres, sizes, load } = bench;
  const database = 'fresh_copy';
  await postgres.create(database, BASE);
  await readAll(bench, database);
  if (analyzed) await analyze(bench, database);
  try {
    await using server = await bench.startServer(database);
    const common = { address: server.target, tokens, perCall: 1, atMostSeconds: sizes.drainSeconds };
    const { done, seconds } = await load.run('drain', { ...common, total: sizes.freshTasks });
    return done / seconds;
  } finally {
    await postgres.drop(database);
  }
}
