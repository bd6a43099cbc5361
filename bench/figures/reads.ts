import type { Bench } from '../support/bench.ts';
import type { Figure } from '../support/figure.ts';
import { NotAvailable } from '../support/jobs.ts';
import { registerAgents, TASK } from '../support/prepare.ts';
import { atMost, type FigureRows } from '../support/rows.ts';
import type { Server } from '../support/server.ts';
import { makeStock } from '../support/stock.ts';

type Question = { title: string; goal?: number; paths: readonly string[] };

/** What people and pages ask, with a long history and many agents. */
export const reads: Figure = {
  name: 'reads',
  title: 'explain, lists and statistics, one reader',
  async run(bench) {
    await makeStock(bench, 'stock_finished');
    await using server = await bench.startServer('stock_finished');
    const { finished, explainAgents } = bench.sizes;
    await registerAgents(server, explainAgents, { labels: (n) => [`pool-${n % 20}`, `zone-${n % 7}`, `rank-${n}`] });
    const [some, none] = [
      await waitingTask(server, ['pool-3', 'zone-2', 'gpu']),
      await waitingTask(server, ['nowhere']),
    ];
    const list = '/api/v1/tasks';
    // Another range each time, because an answer is kept for the next who asks the same.
    const range = 'from=2020-01-01T00:00:00.{n}Z&to=2100-01-01T00:00:00Z';
    const questions: Question[] = [
      {
        title: `explain with ${explainAgents} agents`,
        goal: 50,
        paths: [some, none].map((id) => `${list}/${id}/explain`),
      },
      {
        title: `a page of the list with ${finished} tasks`,
        goal: 60,
        paths: [list, `${list}?status=completed`, `${list}?label=bench`, `${list}?sort=rank`, `${list}?status=pending`],
      },
      { title: `statistics with ${finished} tasks`, goal: 100, paths: [`/api/v1/stats?${range}`] },
      { title: `words of a title, ${finished} tasks`, paths: [`${list}?q=bench`, `${list}?q=nothing-has-this`] },
    ];
    const rows: FigureRows = [];
    for (const question of questions) rows.push(...(await ask(bench, server, question)));
    return rows;
  },
};

async function waitingTask({ api }: Server, requires: string[]): Promise<string> {
  return (await api<{ id: string }>('POST', '/api/v1/tasks', { ...TASK, requires })).id;
}

async function ask({ load, sizes }: Bench, { target, adminToken }: Server, question: Question): Promise<FigureRows> {
  const { title, goal, paths } = question;
  const common = { address: target, token: adminToken, paths, samples: sizes.readSamples };
  const [p50, p99]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < sizes.rounds; round++) {
      const times = await load.run('read', { ...common, first: round * sizes.readSamples });
      p50.push(times.p50Ms);
      p99.push(times.p99Ms);
    }
  } catch (error) {
    if (error instanceof NotAvailable) return [{ title, missing: `not available yet: ${error.message}` }];
    throw error;
  }
  return [
    { title: `${title}, p99`, unit: 'ms', rounds: p99, ...(goal === undefined ? {} : { goal: atMost(goal) }) },
    { title: `${title}, p50`, unit: 'ms', rounds: p50 },
  ];
}
