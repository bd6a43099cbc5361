import { setTimeout as delay } from 'node:timers/promises';
import type { Figure } from '../support/figure.ts';
import { metric, readMetrics } from '../support/metrics.ts';
import { createTasks, registerAgents, TASK } from '../support/prepare.ts';
import { atMost } from '../support/rows.ts';
import type { Server } from '../support/server.ts';

const POOLS = 50;
const LOOK_MS = 100;
const PATIENCE_MS = 60_000;
const NAME = 'taskejo_dispatch_pass_seconds';

/** One look of the dispatcher at everything that waits, with very many agents. */
export const pass: Figure = {
  name: 'pass',
  title: 'a pass of the dispatcher',
  async run(bench) {
    const { passAgents, passTasks, passes } = bench.sizes;
    await using server = await bench.startServer('pass');
    metric(await readMetrics(server), `${NAME}_count`);
    await registerAgents(server, passAgents, { labels: (n) => [`pool-${n % POOLS}`] });
    for (let pool = 0; pool < POOLS; pool++) {
      // Every other pool has one label more than any agent.
      const requires = [`pool-${pool}`, ...(pool % 2 === 0 ? [] : ['nowhere'])];
      await createTasks(bench, server, passTasks / POOLS, { ...TASK, requires });
    }
    const rounds: number[] = [];
    while (rounds.length < passes) rounds.push(await nextPass(server));
    const title = `a pass with ${passAgents} agents and ${passTasks} pending tasks`;
    return [{ title, unit: 's', rounds, goal: atMost(1) }];
  },
};

/** Seconds that the passes took that came after a change, on the average. */
async function nextPass(server: Server): Promise<number> {
  const before = await readMetrics(server);
  await server.api('POST', '/api/v1/tasks', { ...TASK, requires: ['pool-0'] });
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const after = await readMetrics(server);
    const passes = metric(after, `${NAME}_count`) - metric(before, `${NAME}_count`);
    if (passes > 0) return (metric(after, `${NAME}_sum`) - metric(before, `${NAME}_sum`)) / passes;
    if (performance.now() > deadline) throw new Error(`no pass came within ${PATIENCE_MS / 1000} s`);
    await delay(LOOK_MS);
  }
}
