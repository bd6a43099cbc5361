import type { Bench } from '../support/bench.ts';
import { countCosts } from '../support/costs.ts';
import type { Figure } from '../support/figure.ts';
import { analyze, createTasks, registerAgents } from '../support/prepare.ts';
import type { Server } from '../support/server.ts';
import { rowsOf, type Turn, type Turns } from './drain-rows.ts';

const AGENTS = 128;

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
    const turns: Turns = { ours: [], graphile: [], boss: [] };
    for (let round = 0; round < bench.sizes.rounds; round++) {
      turns.ours.push(await ours(bench.sizes.drainTasks));
      if (graphile) turns.graphile.push(await graphile(bench.sizes.peerTasks));
      if (boss) turns.boss.push(await boss(bench.sizes.peerTasks / 2));
    }
    return rowsOf(turns, bench.peersMissing);
  },
};

function drainTaskejo(bench: Bench, server: Server, tokens: readonly string[]): Contestant {
  const { load, sizes } = bench;
  const agents = { address: server.target, tokens, perCall: 1, atMostSeconds: sizes.drainSeconds };
  let left = 0;
  return async (total) => {
    await createTasks(bench, server, total - left);
    await analyze(bench, server.database);
    const costs = await countCosts(bench, server.pid);
    const { done, seconds, p50Ms, p99Ms } = await load.run('drain', { ...agents, total });
    left = total - done;
    return { perSecond: done / seconds, costs: await costs(done), p50Ms, p99Ms };
  };
}

async function drainPeer(bench: Bench, name: 'graphile' | 'boss'): Promise<Contestant> {
  const { peers, postgres } = bench;
  if (peers === null) throw new Error('the peers are not there');
  const url = postgres.url(`drain_${name}`);
  await postgres.create(`drain_${name}`);
  await peers.run(`${name}SetUp`, { url });
  return async (total) => {
    await peers.run(`${name}Fill`, { url, total });
    await analyze(bench, `drain_${name}`);
    const costs = await countCosts(bench, peers.pid);
    const { seconds } = await peers.run(`${name}Drain`, { url, total });
    return { perSecond: total / seconds, costs: await costs(total) };
  };
}
