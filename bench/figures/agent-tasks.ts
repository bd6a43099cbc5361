import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../support/agent.ts';
import type { Bench } from '../support/bench.ts';
import { cpuSeconds } from '../support/cpu.ts';
import { createTasks, LABEL } from '../support/prepare.ts';
import { atMost, type FigureRows, quantile } from '../support/rows.ts';
import type { Server } from '../support/server.ts';

const WARM_STARTS = 10;
const GAP_MS = 50;
const LOOK_MS = 5;
const TOO_LATE_MS = 20_000;

export const AGENT_CAPACITY = 10;

/** How soon the process of a task runs for which an agent waited: the first thing that it does is to tell the time. */
export async function startRows({ folder, sizes }: Bench, server: Server): Promise<FigureRows> {
  const [sent, answered]: [number[], number[]] = [[], []];
  for (let n = 0; n < WARM_STARTS + sizes.agentStarts; n++) {
    await delay(GAP_MS);
    const file = join(folder, `started-${n}`);
    const command = ['sh', '-c', 'date +%s%N >"$0.new"; mv "$0.new" "$0"', file];
    const sentAt = now();
    await server.api('POST', '/api/v1/tasks', { title: 'bench', command, requires: [LABEL] });
    const answeredAt = now();
    const startedAt = Number(await appearing(file)) / 1e6;
    if (n < WARM_STARTS) continue;
    sent.push(startedAt - sentAt);
    answered.push(startedAt - answeredAt);
  }
  return [
    { title: 'creation answered → process runs, p50', unit: 'ms', rounds: [quantile(answered, 0.5)], goal: atMost(20) },
    { title: 'creation answered → process runs, p99', unit: 'ms', rounds: [quantile(answered, 0.99)] },
    { title: 'creation sent → process runs, p50', unit: 'ms', rounds: [quantile(sent, 0.5)] },
  ];
}

const now = () => performance.timeOrigin + performance.now();

async function appearing(file: string): Promise<string> {
  for (const giveUpAt = now() + TOO_LATE_MS; now() < giveUpAt; await delay(LOOK_MS)) {
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text !== null) return text;
  }
  throw new Error(`no process after ${TOO_LATE_MS} ms`);
}

/** What tasks that do nothing cost the agent itself, beside what its commands and their supervisors take. */
export async function costRows(bench: Bench, server: Server, { pid }: Agent): Promise<FigureRows> {
  const { agentTasks } = bench.sizes;
  const before = cpuSeconds(pid) ?? Number.NaN;
  const began = now();
  await createTasks(bench, server, agentTasks, { title: 'bench', command: ['true'], requires: [LABEL] });
  await allEnded(bench, server);
  const perSecond = agentTasks / ((now() - began) / 1000);
  const seconds = (((cpuSeconds(pid) ?? Number.NaN) - before) / agentTasks) * 1000;
  const of = `${agentTasks} tasks that do nothing, ${AGENT_CAPACITY} at a time`;
  return [
    { title: `${of}: the agent's own processor, per 1,000`, unit: 's', rounds: [seconds] },
    { title: `${of}: ended`, unit: '/s', rounds: [perSecond] },
  ];
}

async function allEnded({ postgres }: Bench, { database }: Server): Promise<void> {
  for (;;) {
    await delay(100);
    const [row] = await postgres.query<{ left: number }>(
      database,
      "select count(*)::int as left from tasks where status not in ('completed', 'failed', 'cancelled')",
    );
    if (row?.left === 0) return;
  }
}
