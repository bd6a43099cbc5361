import type { LoopsPart } from '../load/loops.ts';
import type { Bench } from '../support/bench.ts';
import type { Figure } from '../support/figure.ts';
import { registerAgents, TASK } from '../support/prepare.ts';
import { atMost, type FigureRows, ratios } from '../support/rows.ts';
import type { Server } from '../support/server.ts';
import { makeStock } from '../support/stock.ts';

const LOOPS = 8;
const SETTLE_SECONDS = 1;

/** The same claims beside nothing, beside a long history, and beside many tasks that none of the agents can take. */
export const claim: Figure = {
  name: 'claim',
  title: 'how long a claim takes beside what others have left, 8 loops of create, claim, complete',
  async run(bench) {
    await makeStock(bench, 'stock_finished');
    await makeStock(bench, 'stock_untakeable');
    await using empty = await bench.startServer('claim_empty');
    await using finished = await bench.startServer('stock_finished');
    await using untakeable = await bench.startServer('stock_untakeable');
    const turns = await Promise.all([empty, finished, untakeable].map((server) => contestant(bench, server)));
    const parts: LoopsPart[][] = turns.map(() => []);
    for (let round = 0; round < bench.sizes.rounds; round++) {
      for (const [n, turn] of turns.entries()) parts[n]?.push(await turn(bench.sizes.claimSeconds));
    }
    const [beside = [], history = [], waiting = []] = parts;
    return [
      ...compared(`${bench.sizes.finished} finished tasks / none`, history, beside),
      ...compared(`${bench.sizes.untakeable} pending tasks that nobody can take / none`, waiting, beside),
      ...absolute('none', beside),
      ...absolute('finished', history),
      ...absolute('untakeable', waiting),
    ];
  },
};

async function contestant(bench: Bench, server: Server): Promise<(seconds: number) => Promise<LoopsPart>> {
  const tokens = await registerAgents(server, LOOPS);
  const common = { address: server.target, tokens, adminToken: server.adminToken, task: TASK, parts: 1 };
  const turn = async (seconds: number) => {
    const [part] = await bench.load.run('loops', { ...common, seconds });
    if (part === undefined) throw new Error('there was no time');
    return part;
  };
  await turn(SETTLE_SECONDS);
  return turn;
}

const p50 = (parts: readonly LoopsPart[]) => parts.map((part) => part.p50Ms);
const p99 = (parts: readonly LoopsPart[]) => parts.map((part) => part.p99Ms);

const compared = (title: string, parts: LoopsPart[], others: LoopsPart[]): FigureRows => [
  { title: `claim p50: ${title}`, unit: '×', rounds: ratios(p50(parts), p50(others)), goal: atMost(1.3) },
  { title: `claim p99: ${title}`, unit: '×', rounds: ratios(p99(parts), p99(others)), goal: atMost(2) },
];

const absolute = (title: string, parts: LoopsPart[]): FigureRows => [
  { title: `claim p50, ${title}`, unit: 'ms', rounds: p50(parts) },
  { title: `claim p99, ${title}`, unit: 'ms', rounds: p99(parts) },
];
