import { readdirSync, readFileSync } from 'node:fs';
import type { Bench } from './bench.ts';
import { cpuSeconds } from './cpu.ts';

/** What a thousand tasks cost, in all contestants alike. */
export type Costs = {
  /** Of the process that is measured: the server, or the peers' with its library. */
  cpuSeconds: number;
  /** Of the agents, which are in another process; the peers' are in the one that is measured. */
  loadCpuSeconds: number;
  postgresCpuSeconds: number;
  walKilobytes: number;
};

/** Begins to count; the answer tells what was spent until then on so many tasks. */
export async function countCosts(bench: Bench, pid: number): Promise<(tasks: number) => Promise<Costs>> {
  const before = await look(bench, pid);
  return async (tasks) => {
    const after = await look(bench, pid);
    const per1000 = (of: keyof Costs) => ((after[of] - before[of]) / tasks) * 1000;
    return {
      cpuSeconds: per1000('cpuSeconds'),
      loadCpuSeconds: per1000('loadCpuSeconds'),
      postgresCpuSeconds: per1000('postgresCpuSeconds'),
      walKilobytes: per1000('walKilobytes'),
    };
  };
}

async function look({ postgres, load }: Bench, pid: number): Promise<Costs> {
  const [row] = await postgres.query<{ kb: number }>(
    'postgres',
    "select ((pg_current_wal_insert_lsn() - '0/0') / 1024)::float8 as kb",
  );
  return {
    cpuSeconds: cpuSeconds(pid) ?? Number.NaN,
    loadCpuSeconds: cpuSeconds(load.pid) ?? Number.NaN,
    postgresCpuSeconds: clusterCpuSeconds(postgres.pid),
    walKilobytes: row?.kb ?? Number.NaN,
  };
}

/** Of PostgreSQL's first process, its children, and those that have ended. */
function clusterCpuSeconds(postmaster: number): number {
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === postmaster);
  const living = children.reduce((sum, pid) => sum + (cpuSeconds(Number(pid)) ?? 0), 0);
  return living + (cpuSeconds(postmaster, { withEnded: true }) ?? Number.NaN);
}

function parentOf(pid: string): number | null {
  try {
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')[1],
    );
  } catch {
    return null; // it has ended meanwhile
  }
}
