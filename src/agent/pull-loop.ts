import { setTimeout as delay } from 'node:timers/promises';
import { MAX_TASKS } from '../domain/task.ts';
import { createBackoff } from '../executor/backoff.ts';
import type { Log } from '../executor/log.ts';
import type { Attempts } from './attempts.ts';
import type { AgentConfig } from './config.ts';
import { ServerAway, type ServerClient, ServerRefusal } from './http.ts';
import type { Intake } from './intake.ts';
import { throwIfAnother } from './presence.ts';
import type { AgentStore, TakenTask } from './store.ts';
import { StoreFull } from './store-file.ts';
import type { Work } from './work.ts';

export type PullDeps = {
  config: AgentConfig;
  client: ServerClient;
  work: { use(): Promise<Pick<Work, 'dequeued'>> };
  store: AgentStore;
  attempts: Attempts;
  intake: Intake;
  random: () => number;
  log: Log;
};

/** An answer without work that comes at once is not asked for again at once. */
const LEAST_ROUND_MS = 1_000;

/** Takes as many attempts as there are places, for as long as the signal allows. */
export async function pullLoop(deps: PullDeps, signal: AbortSignal): Promise<void> {
  const { attempts, intake, random, log } = deps;
  const backoff = createBackoff({ minMs: 250, maxMs: 10_000, random });
  while (!signal.aborted) {
    try {
      intake.look();
      await intake.opened(signal);
      const places = await attempts.freePlaces(signal);
      const askedAt = performance.now();
      const tasks = await ask(deps, Math.min(places, MAX_TASKS), deps.config.waitSeconds, signal);
      await keep(deps, tasks, signal);
      backoff.reset();
      begin(deps, tasks);
      const restMs = LEAST_ROUND_MS - (performance.now() - askedAt);
      if (tasks.length === 0 && restMs > 0) await delay(restMs, undefined, { signal });
    } catch (error) {
      if (signal.aborted) return;
      const passes = error instanceof ServerAway || error instanceof ServerRefusal || error instanceof StoreFull;
      if (!passes) throw error;
      throwIfAnother(error);
      log.debug({ cause: error.message }, 'no work could be asked for');
      await delay(backoff.next(), undefined, { signal }).catch(() => {});
    }
  }
}

/**
 * Of a request that was under way when the loop ended nobody knows what it has brought: it is asked for again, and goes
 * back like all that has not begun.
 */
export async function settleRequest(deps: PullDeps, signal: AbortSignal): Promise<void> {
  const { store, log } = deps;
  if (!store.isRequestUnderWay()) return;
  try {
    const tasks = await ask(deps, 1, 0, signal);
    await keep(deps, tasks, signal);
    begin(deps, tasks);
  } catch (error) {
    log.debug({ cause: String(error) }, 'the last request for work is asked again at the next start');
  }
}

function begin({ attempts }: PullDeps, tasks: readonly TakenTask[]): void {
  for (const task of tasks) attempts.begin({ task, machine: null, process: null, result: null }, 'new');
}

/** What can't be written down isn't ours: the same request is asked again later, and brings nothing then. */
async function keep({ store, attempts }: PullDeps, tasks: readonly TakenTask[], signal: AbortSignal): Promise<void> {
  try {
    store.take(tasks);
  } catch (error) {
    if (error instanceof StoreFull) await attempts.giveBack(tasks, signal);
    throw error;
  }
}

async function ask(deps: PullDeps, places: number, waitSeconds: number, signal: AbortSignal): Promise<TakenTask[]> {
  const { client, store, work } = deps;
  const answer = await client<TakenTask[] | undefined>(
    {
      method: 'POST',
      path: '/api/v1/tasks/dequeue',
      body: { max_tasks: places, wait_seconds: waitSeconds, request_id: store.requestId() },
      schema: async () => (await work.use()).dequeued,
      waitSeconds,
    },
    signal,
  );
  return answer ?? [];
}
