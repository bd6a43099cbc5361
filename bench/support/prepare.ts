import type { Bench } from './bench.ts';
import { NotAvailable } from './jobs.ts';
import type { Server } from './server.ts';

export const LABEL = 'bench';
/** A task as the others have it: 250 bytes for the worker. */
export const TASK = { title: 'bench', command: ['true'], input: 'x'.repeat(250), requires: [LABEL] };

const MANY = 1000;
const AT_ONCE = 32;

type Enrolled = { agent_id: string; token: string };

/** Tokens of as many agents that pull, each with places enough for all that it is given. */
export async function registerAgents(
  { api, database }: Server,
  count: number,
  { capacity = 1000, labels = (_n: number): string[] => [LABEL] } = {},
): Promise<string[]> {
  const { token } = await api<{ token: string }>('POST', '/api/v1/tokens', { name: 'bench', scope: 'register' });
  const tokens: string[] = [];
  const names = Array.from({ length: count }, (_, n) => n).values();
  const enrol = async () => {
    for (const n of names) {
      const agent = { name: `${database}-${Date.now()}-${n}`, labels: labels(n), capacity, version: 'bench' };
      tokens[n] = (await api<Enrolled>('POST', '/api/v1/agents/register', agent, token)).token;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, enrol));
  return tokens;
}

/** Creates tasks by the fastest way that the server knows. */
export async function createTasks(bench: Bench, server: Server, total: number, task: object = TASK): Promise<void> {
  const common = { address: server.target, token: server.adminToken, task: { ...task }, total };
  try {
    await bench.load.run('create', { ...common, clients: 2, perCall: MANY });
  } catch (error) {
    if (!(error instanceof NotAvailable)) throw error;
    await bench.load.run('create', { ...common, clients: AT_ONCE, perCall: 1 });
  }
}

/** Whether the server can complete many at once; found out before a long preparation for it. */
export async function completesMany({ load }: Bench, server: Server, token: string): Promise<boolean> {
  await server.api('POST', '/api/v1/tasks', TASK);
  const one = { address: server.target, tokens: [token], total: 1, perCall: 2, atMostSeconds: 10 };
  return load.run('drain', one).then(
    () => true,
    (error: unknown) => {
      if (error instanceof NotAvailable) return false;
      throw error;
    },
  );
}

/** Statistics of the planner as autovacuum would have made them by now, so that each run has the same. */
export const analyze = (bench: Bench, database: string) => bench.postgres.query(database, 'analyze');
