import type { Figure } from '../support/figure.ts';
import { TASK } from '../support/prepare.ts';
import { atLeast, ratios } from '../support/rows.ts';

const CLIENTS = 128;
const CALLERS = 8;

/** Tasks created one a request over HTTP, against jobs added one a call in process. */
export const create: Figure = {
  name: 'create',
  title: `create over HTTP, ${CLIENTS} clients, one task each`,
  async run({ sizes, postgres, load, peers, peersMissing, startServer }) {
    await using server = await startServer('create_ours');
    const url = postgres.url('create_graphile');
    await postgres.create('create_graphile');
    await peers?.run('graphileSetUp', { url });
    const common = { address: server.target, token: server.adminToken, clients: CLIENTS, task: TASK, perCall: 1 };
    const rates: Record<'ours' | 'graphile', number[]> = { ours: [], graphile: [] };
    for (let round = 0; round < sizes.rounds; round++) {
      const ours = await load.run('create', { ...common, seconds: sizes.createSeconds });
      rates.ours.push(ours.created / ours.seconds);
      const theirs = await peers?.run('graphileCreate', { url, callers: CALLERS, seconds: sizes.createSeconds });
      if (theirs) rates.graphile.push(theirs.created / theirs.seconds);
    }
    const title = "Taskejo / graphile-worker's addJob, in process";
    return [
      peersMissing === null
        ? { title, unit: '×', rounds: ratios(rates.ours, rates.graphile), goal: atLeast(10) }
        : { title, missing: peersMissing },
      { title: 'Taskejo', unit: '/s', rounds: rates.ours },
      { title: `graphile-worker, ${CALLERS} callers`, unit: '/s', rounds: rates.graphile },
    ];
  },
};
