import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { leasedAttempt, MAX_TASKS } from '../contract/attempt.ts';
import { limitsOf } from '../contract/new-task.ts';
import { task } from '../contract/task.ts';
import { createBackoff } from '../executor/backoff.ts';
import { commandEnvironment } from '../executor/command-environment.ts';
import type { Log } from '../executor/log.ts';
import type { Attempts } from './attempts.ts';
import type { AgentConfig } from './config.ts';
import { ServerAway, type ServerClient, ServerRefusal } from './http.ts';
import type { Intake } from './intake.ts';
import { throwIfAnother } from './presence.ts';
import type { AgentStore, TakenTask } from './store.ts';
import { StoreFull } from './store-file.ts';

export type PullDeps = {
  config: AgentConfig;
  client: ServerClient;
  store: AgentStore;
  attempts: Attempts;
  intake: Intake;
  random: () => number;
  log: Log;
};

/** Of a task only what running it needs: a newer server may say more, and other words elsewhere. */
const dequeued = z.object({
  tasks: z.array(
    task
      .pick({
        id: true,
        command: true,
        input: true,
        input_base64: true,
        limits: true,
        sandbox: true,
        timeout_seconds: true,
        repository: true,
      })
      .extend({
        source: z
          .object({ ref: z.string().nullable(), sha: z.string().nullable(), number: z.int().nullable() })
          .nullable(),
        attempt: leasedAttempt,
      }),
  ),
});
type Dequeued = z.infer<typeof dequeued>['tasks'][number];

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
  const { client, store } = deps;
  const answer = await client(
    {
      method: 'POST',
      path: '/api/v1/tasks/dequeue',
      body: { max_tasks: places, wait_seconds: waitSeconds, request_id: store.requestId() },
      schema: dequeued.optional(),
      waitSeconds,
    },
    signal,
  );
  return (answer?.tasks ?? []).map((one) => takenTask(deps, one));
}

const takenTask = ({ config }: PullDeps, { attempt, source, ...task }: Dequeued): TakenTask => ({
  attemptId: attempt.id,
  taskId: task.id,
  number: attempt.number,
  command: task.command,
  input: task.input ?? '',
  inputBase64: task.input_base64,
  environment: commandEnvironment({
    url: config.server.url,
    token: attempt.token,
    repository: task.repository,
    ref: source?.ref ?? null,
    sha: source?.sha ?? null,
    issue: source?.number ?? null,
    agent: config.environment,
  }),
  limits: limitsOf(task.limits),
  sandbox: task.sandbox,
  timeoutSeconds: task.timeout_seconds,
  renewSeconds: attempt.renew_seconds,
});
