import type { Bench } from '../support/bench.ts';
import { cpuSeconds } from '../support/cpu.ts';
import type { Figure } from '../support/figure.ts';
import { analyze, createTasks, registerAgents } from '../support/prepare.ts';
import { atLeast, atMost, type FigureRows, ratios } from '../support/rows.ts';
import type { Server } from '../support/server.ts';

const AGENTS = 128;

type Turn = { perSecond: number; cpuPer1000: number };
type Contestant = (total: number) => Promise<Turn>;

/** One task a call over HTTP, everything written, against the peers in process; and what a task costs of the processor. */
export const drain: Figure = {
  name: 'drain',
  title: `dequeue and complete over HTTP, ${AGENTS} agents, one task each`,
  async run(bench) {
    await using server = await bench.startServer('drain');
    const tokens = await registerAgents(server, AGENTS);
    const ours = drainTaskejo(bench, server, tokens);
    const graphile = bench.peers && (await drainPeer(bench, 'graphile'));
    const boss = bench.peers && (await drainPeer(bench, 'boss'));
    const turns: Record<'ours' | 'graphile' | 'boss', Turn[]> = { ours: [], graphile: [], boss: [] };
    for (let round = 0; round < bench.sizes.rounds; round++) {
      turns.ours.push(await ours(bench.sizes.drainTasks));
      if (graphile) turns.graphile.push(await graphile(bench.sizes.peerTasks));
      if (boss) turns.boss.push(await boss(bench.sizes.peerTasks / 2));
    }
    return rowsOf(bench, turns);
  },
};

function drainTaskejo(bench: Bench, server: Server, tokens: readonly string[]): Contestant {
  const { load, sizes } = bench;
  const agents = { address: server.target, tokens, perCall: 1, atMostSeconds: sizes.drainSeconds };
  let left = 0;
  return async (total) => {
    await createTasks(bench, server, total - left);
    await analyze(bench, server.database);
    const before = cpuSeconds(server.pid) ?? Number.NaN;
    const { done, seconds } = await load.run('drain', { ...agents, total });
    left = total - done;
    const cpu = (cpuSeconds(server.pid) ?? Number.NaN) - before;
    return { perSecond: done / seconds, cpuPer1000: (cpu / done) * 1000 };
  };
}

async function drainPeer({ peers, postgres }: Bench, name: 'graphile' | 'boss'): Promise<Contestant> {
  const url = postgres.url(`drain_${name}`);
  await postgres.create(`drain_${name}`);
  await peers?.run(`${name}SetUp`, { url });
  return async (total) => {
    await peers?.run(`${name}Fill`, { url, total });
    await postgres.query(`drain_${name}`, 'analyze');
    const drained = await peers?.run(`${name}Drain`, { url, total });
    if (!drained) throw new Error('the peers are not there');
    return { perSecond: total / drained.seconds, cpuPer1000: (drained.cpuSeconds / total) * 1000 };
  };
}

function rowsOf(bench: Bench, turns: Record<'ours' | 'graphile' | 'boss', Turn[]>): FigureRows {
  const rates = (of: keyof typeof turns) => turns[of].map((turn) => turn.perSecond);
  const cpu = (of: keyof typeof turns) => turns[of].map((turn) => turn.cpuPer1000);
  const missing = bench.peersMissing;
  const peers: FigureRows =
    missing !== null
      ? [{ title: 'Taskejo / graphile-worker, in process', missing }]
      : [
          {
            title: 'Taskejo / graphile-worker, in process',
            unit: '×',
            rounds: ratios(rates('ours'), rates('graphile')),
            goal: atLeast(2.5, 3),
          },
          { title: 'Taskejo / pg-boss, in process', unit: '×', rounds: ratios(rates('ours'), rates('boss')) },
          { title: 'graphile-worker, one by one, 24 at a time', unit: '/s', rounds: rates('graphile') },
          { title: 'pg-boss, one by one, 24 at a time', unit: '/s', rounds: rates('boss') },
          { title: "processor of graphile-worker's process per 1,000 tasks", unit: 's', rounds: cpu('graphile') },
        ];
  return [
    ...peers,
    { title: 'Taskejo', unit: '/s', rounds: rates('ours') },
    { title: 'processor of the server per 1,000 tasks', unit: 's', rounds: cpu('ours'), goal: atMost(0.2) },
  ];
}
