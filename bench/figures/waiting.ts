import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../support/bench.ts';
import { residentBytes } from '../support/cpu.ts';
import type { Figure } from '../support/figure.ts';
import { createTasks, registerAgents, TASK } from '../support/prepare.ts';
import { atMost, quantile } from '../support/rows.ts';
import type { Server } from '../support/server.ts';

const GAP_MS = 30;
const SETTLE_MS = 5_000;
const WARM_TASKS = 500;

/** Many agents wait on one process: what each costs, and how soon one of them has a task. */
export const waiting: Figure = {
  name: 'waiting',
  title: 'agents waiting on one process',
  async run(bench) {
    const tokens = await enrol(bench);
    // A process that has made thousands of agents has a larger heap than one that they come back to.
    await using server = await bench.startServer('waiting');
    await warm(bench, server, tokens.slice(0, 32));
    const before = residentBytes(server.pid) ?? Number.NaN;
    await bench.load.run('startWaiting', { address: server.target, tokens });
    await delay(SETTLE_MS);
    const each = ((residentBytes(server.pid) ?? Number.NaN) - before) / tokens.length / 1000;
    const samples = bench.sizes.waitingSamples;
    const sampling = { token: server.adminToken, task: TASK, samples, gapMs: GAP_MS };
    const { sinceSentMs } = await bench.load.run('sampleWaiting', sampling);
    await bench.load.run('endWaiting', {});
    const of = `of ${tokens.length} waiting`;
    return [
      { title: `memory of each ${of}`, unit: 'kB', rounds: [each], goal: atMost(25) },
      { title: `creation sent → one ${of} has it, p50`, unit: 'ms', rounds: [quantile(sinceSentMs, 0.5)] },
      {
        title: `creation sent → one ${of} has it, p99`,
        unit: 'ms',
        rounds: [quantile(sinceSentMs, 0.99)],
        goal: atMost(15),
      },
    ];
  },
};

async function enrol(bench: Bench): Promise<string[]> {
  await using server = await bench.startServer('waiting');
  return await registerAgents(server, bench.sizes.waiting);
}

async function warm(bench: Bench, server: Server, tokens: readonly string[]): Promise<void> {
  await createTasks(bench, server, WARM_TASKS);
  await bench.load.run('drain', { address: server.target, tokens, total: WARM_TASKS, perCall: 1, atMostSeconds: 30 });
  await delay(1_000);
}
