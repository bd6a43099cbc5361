import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../support/agent.ts';
import type { Bench } from '../support/bench.ts';
import { cpuSeconds, residentBytes } from '../support/cpu.ts';
import { atMost, type FigureRows } from '../support/rows.ts';

const SETTLE_MS = 15_000;
const MEGABYTE = 1e6;
const BARE = 'process.stdout.write("here"); setInterval(() => {}, 1e6)';

/** An agent that waits for work: what it holds, and what it does meanwhile. */
export async function idleRows({ sizes, children }: Bench, { pid }: Agent): Promise<FigureRows> {
  await delay(SETTLE_MS);
  const before = cpuSeconds(pid) ?? Number.NaN;
  await delay(sizes.agentIdleSeconds * 1000);
  const percent = (((cpuSeconds(pid) ?? Number.NaN) - before) / sizes.agentIdleSeconds) * 100;
  const memory = memoryOf(pid);
  const bare = children.start(process.execPath, ['-e', BARE], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (bare.stdout !== null) await once(bare.stdout, 'data');
  const floor = memoryOf(bare.pid ?? 0);
  await children.end(bare, 'SIGKILL');
  return [
    { title: 'idle agent, resident', unit: 'MB', rounds: [memory.resident], goal: atMost(60) },
    { title: 'idle agent, of that its own', unit: 'MB', rounds: [memory.own] },
    { title: 'a Node that does nothing, resident', unit: 'MB', rounds: [floor.resident] },
    { title: 'a Node that does nothing, of that its own', unit: 'MB', rounds: [floor.own] },
    { title: 'idle agent, of one processor', unit: '%', rounds: [percent], goal: atMost(0.2) },
  ];
}

/** `own` leaves out the pages of the program's file, which all that run it share and the kernel can drop. */
function memoryOf(pid: number): { resident: number; own: number } {
  const kilobytes = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
  const own = kilobytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'RssAnon') * 1024;
  return { resident: (residentBytes(pid) ?? Number.NaN) / MEGABYTE, own: own / MEGABYTE };
}
