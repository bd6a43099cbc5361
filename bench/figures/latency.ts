import type { Figure } from '../support/figure.ts';
import { registerAgents, TASK } from '../support/prepare.ts';
import { atMost, quantile } from '../support/rows.ts';

const AGENTS = 4;
const GAP_MS = 30;

/** Nothing else to do: how soon has an agent that waits what was created? */
export const latency: Figure = {
  name: 'latency',
  title: 'created → a waiting agent has it, idle',
  async run({ sizes, postgres, load, peers, startServer }) {
    await using server = await startServer('latency_ours');
    const url = postgres.url('latency_graphile');
    await postgres.create('latency_graphile');
    await peers?.run('graphileSetUp', { url });
    const tokens = await registerAgents(server, AGENTS);
    const sampling = { token: server.adminToken, task: TASK, samples: sizes.latencySamples, gapMs: GAP_MS };
    const [sent, answered, theirs]: number[][][] = [[], [], []];
    for (let round = 0; round < sizes.rounds; round++) {
      await load.run('startWaiting', { address: server.target, tokens });
      const waited = await load.run('sampleWaiting', sampling);
      await load.run('endWaiting', {});
      sent?.push(waited.sinceSentMs);
      answered?.push(waited.sinceAnsweredMs);
      const jobs = await peers?.run('graphileLatency', { url, samples: sizes.latencySamples, gapMs: GAP_MS });
      if (jobs) theirs?.push(jobs);
    }
    const at = (share: number, all: number[][] = []) => all.map((times) => quantile(times, share));
    return [
      { title: 'creation sent → task at the agent, p50', unit: 'ms', rounds: at(0.5, sent), goal: atMost(2) },
      { title: 'creation sent → task at the agent, p99', unit: 'ms', rounds: at(0.99, sent), goal: atMost(8) },
      { title: 'creation answered → task at the agent, p99', unit: 'ms', rounds: at(0.99, answered) },
      { title: 'graphile-worker, addJob → start, p50', unit: 'ms', rounds: at(0.5, theirs) },
      { title: 'graphile-worker, addJob → start, p99', unit: 'ms', rounds: at(0.99, theirs) },
    ];
  },
};
