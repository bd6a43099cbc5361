import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { LeasedAttempt } from '../domain/attempt.ts';
import { hasLabels } from '../domain/match.ts';
import type { Task } from '../domain/task.ts';
import { newToken, tokenHash } from '../domain/token.ts';
import { openAttemptsOfRequest, setAttemptToken } from '../store/attempts.ts';
import { type Candidate, lockAgents, lockCandidates, takenPlaces, takeTasks } from '../store/claims.ts';
import { renewLeases, touchAgent } from '../store/leases.ts';
import type { AgentRow, Database } from '../store/schema.ts';
import { databaseTime } from '../store/task-changes.ts';
import { findTasksOfAttempts } from '../store/tasks.ts';
import type { Deps } from './deps.ts';
import { waitForHint } from './wait-for-hint.ts';

export type Taken = { task: Task; attempt: LeasedAttempt };
export type DequeueWish = { maxTasks: number; waitSeconds: number; requestId: string | null };

/** A waiting agent looks this often even when no hint comes: a hint may be lost. */
const LOOK_MS = 1_000;

/**
 * Gives an agent the best-ranked tasks it can take now, at most as many as it has places; waits for one up to
 * `waitSeconds`. Answers nothing when the time is over or the signal fires.
 */
export async function dequeue(deps: Deps, agentId: string, wish: DequeueWish, signal: AbortSignal): Promise<Taken[]> {
  const deadline = performance.now() + wish.waitSeconds * 1000;
  await touchAgent(deps.db, agentId);
  for (;;) {
    const hint = waitForHint(deps.wakeups, ({ kind }) => kind === 'ready', signal);
    try {
      const taken = await takeForAgent(deps, agentId, wish);
      const leftMs = deadline - performance.now();
      if (taken.length > 0 || leftMs <= 0 || signal.aborted) return taken;
      await hint.within(Math.min(leftMs, LOOK_MS));
    } finally {
      hint.stop();
    }
    if (signal.aborted) return [];
    await touchAgent(deps.db, agentId);
  }
}

async function takeForAgent(deps: Deps, agentId: string, wish: DequeueWish): Promise<Taken[]> {
  const tokens = await deps.db.transaction().execute((trx) => claim(trx, deps, agentId, wish));
  if (tokens.size === 0) return [];
  const taken = await withTasks(deps, tokens);
  for (const { task } of taken) deps.wakeups.emit({ kind: 'task', taskId: task.id });
  return taken;
}

/** Tokens of the attempts that the agent has now, by the attempt's id. */
async function claim(
  trx: Transaction<Database>,
  deps: Deps,
  agentId: string,
  { maxTasks, requestId }: DequeueWish,
): Promise<Map<string, string>> {
  const [agent] = await lockAgents(trx, [agentId]);
  const again = requestId === null ? new Map<string, string>() : await leaseAgain(trx, deps, agentId, requestId);
  if (again.size > 0 || agent === undefined || !mayTake(agent)) return again;
  const taken = (await takenPlaces(trx, [agentId])).get(agentId) ?? 0;
  const places = Math.min(maxTasks, agent.capacity - taken);
  if (places <= 0) return new Map();
  const candidates = await lockCandidates(trx, 'http_pull', [agent], places);
  const takes = candidates
    .filter((candidate) => isFor(candidate, agent))
    .map((candidate) => {
      const token = newToken('attempt');
      return { candidate, agentId, attemptId: randomUUIDv7(), token, tokenHash: tokenHash(token) };
    });
  const opened = await takeTasks(trx, takes, {
    mode: 'http_pull',
    at: await databaseTime(trx),
    leaseSeconds: deps.settings.leases.seconds,
    holder: null,
    requestId,
    happening: (take) => ({
      type: 'assigned',
      actor: { kind: 'agent', id: agentId },
      attemptId: take.attemptId,
      data: { agent_id: agentId, execution_mode: 'http_pull' },
    }),
  });
  return new Map(takes.filter((take) => opened.includes(take.attemptId)).map((take) => [take.attemptId, take.token]));
}

/** Judged on the locked row: since the look at its lane the task may have been assigned to somebody else. */
const isFor = (candidate: Candidate, agent: AgentRow): boolean =>
  candidate.named_agent_id === null
    ? hasLabels(agent.labels, candidate.requires) && !candidate.avoided.includes(agent.id)
    : candidate.named_agent_id === agent.id;

const mayTake = (agent: AgentRow): boolean =>
  agent.execution_mode === 'http_pull' &&
  agent.deleted_at === null &&
  !agent.cordoned &&
  !agent.draining &&
  agent.says_draining === null;

/**
 * What an earlier request under this id took, if its answer was lost: fresh leases, new tokens. Looked for each time,
 * because the earlier one may still be waiting when it is repeated, and take something then that nobody is told of.
 */
async function leaseAgain(
  trx: Transaction<Database>,
  deps: Deps,
  agentId: string,
  requestId: string,
): Promise<Map<string, string>> {
  const ids = (await openAttemptsOfRequest(trx, agentId, requestId)).map((attempt) => attempt.id);
  await renewLeases(trx, { agentId }, ids, deps.settings.leases.seconds);
  const renewed = new Map(ids.map((id) => [id, newToken('attempt')]));
  for (const [id, token] of renewed) await setAttemptToken(trx, id, tokenHash(token));
  return renewed;
}

async function withTasks(deps: Deps, tokens: ReadonlyMap<string, string>): Promise<Taken[]> {
  const { seconds, renewSeconds } = deps.settings.leases;
  const tasks = await findTasksOfAttempts(deps.db, [...tokens.keys()]);
  return tasks.flatMap((task) => {
    const token = task.attempt && tokens.get(task.attempt.id);
    if (!task.attempt || token === undefined || token === null) return [];
    const attempt: LeasedAttempt = {
      id: task.attempt.id,
      number: task.attempt.number,
      leaseSeconds: seconds,
      renewSeconds,
      leaseExpiresAt: task.attempt.leaseExpiresAt ?? '',
      token,
    };
    return [{ task, attempt }];
  });
}
