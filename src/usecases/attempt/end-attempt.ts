import type { Transaction } from 'kysely';
import { BLANK_RESULT, proofOf, type Result } from '../../domain/attempt.ts';
import { type Ending, endAttempt, type Standing } from '../../domain/endings.ts';
import type { EventType } from '../../domain/event.ts';
import { retryDelaySeconds } from '../../domain/retry.ts';
import type { Actor, Status } from '../../domain/task.ts';
import { agentNames } from '../../store/agents.ts';
import { avoidAgent, openAttemptsOfAgent } from '../../store/attempts.ts';
import { type EndedAttempt, type EndedTask, type WrittenEnding, writeEndings } from '../../store/endings.ts';
import { sealLogs } from '../../store/logs.ts';
import type { Database } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';
import { releaseWaiters } from '../dequeue/release-waiters.ts';
import { type Held, isHeld, lockOwn } from './holding.ts';
import type { EndedAttempt as EndedOnAgent } from './judge-agent.ts';
import { pendingAgain } from './pending-again.ts';
import { unnameIfDeleted } from './unname-tasks.ts';

type Trx = Transaction<Database>;

type EndDeps = Pick<Deps, 'settings' | 'random'>;

export type EndOptions = {
  actor: Actor;
  /** Hash of what its holder said; null when the server ends the attempt. */
  saidHash: string | null;
  /** The machine runs nothing of it any more; else it keeps its place until the machine was asked. */
  settled: boolean;
};

/** How an attempt ended, and what its task is then. */
export type Ended = EndedOnAgent & { status: Status };
export type End = { held: Held; result: Result; options: EndOptions };

/**
 * Ends a held attempt and decides what its task becomes. The row's lock, the fence and the attempt's open row make
 * sure that of all who want to end it one does. After the commit the agent is to be judged by the answer.
 */
export async function endHeld(
  trx: Trx,
  deps: EndDeps,
  held: Held,
  result: Result,
  options: EndOptions,
): Promise<Ended> {
  const [ended] = await endAll(trx, deps, [{ held, result, options }]);
  return ended as Ended;
}

/** The same for several attempts of different tasks, whose rows are locked; the answers are in the order given. */
export async function endAll(trx: Trx, deps: EndDeps, ends: readonly End[]): Promise<Ended[]> {
  await sealLogs(
    trx,
    ends.map(({ held }) => held.attempt.id),
  );
  const endings = ends.map(({ held, result }) => endAttempt(result, standingOf(held, result)));
  await writeEndings(
    trx,
    ends.map((end, index) => written(deps, end, endings[index] as Ending)),
  );
  for (const [index, { held }] of ends.entries()) await afterwards(trx, deps, held, endings[index] as Ending);
  const final = ends.filter((_, index) => endings[index]?.status !== 'pending');
  await releaseWaiters(
    trx,
    final.map(({ held }) => held.task),
  );
  return ends.map(({ held, result }, index) => {
    const { status, outcome, failureClass } = endings[index] as Ending;
    const { agent_id: agentId, task_id: taskId } = held.attempt;
    return { taskId, agentId, status, outcome, failureClass, ownFailure: result.ownFailure, error: result.error };
  });
}

async function afterwards(trx: Trx, deps: EndDeps, { task, attempt }: Held, ending: Ending): Promise<void> {
  if (isAgentsFault(ending)) await avoidAgent(trx, task.id, attempt.agent_id, deps.settings.dispatch.avoidSeconds);
  if (ending.status === 'pending') await unnameIfDeleted(trx, task);
}

const standingOf = ({ task, attempt }: Held, result: Result): Standing => ({
  stopReason: task.stop_reason,
  repeatable: task.repeatable,
  retries: task.retries,
  maxRetries: task.max_retries,
  infraRetries: task.infra_retries,
  maxInfraRetries: task.max_infra_retries,
  processReported: attempt.process !== null,
  provenUnstarted: isUnstarted({ task, attempt }, result),
});

const written = (deps: EndDeps, { held, result, options }: End, ending: Ending): WrittenEnding => ({
  task: held.task,
  attemptId: held.attempt.id,
  endedTask: ending.status === 'pending' ? again(deps, held.task, ending) : final(held.task, ending),
  endedAttempt: endedAs(held, ending, result, options),
  happening: {
    type: eventType(ending),
    actor: options.actor,
    attemptId: held.attempt.id,
    data: { ...eventData(ending, result), ...(ending.outcome === 'preempted' ? lossOf(held) : {}) },
  },
});

const endedAs = (
  { task, attempt }: Held,
  ending: Ending,
  result: Result,
  { settled, saidHash }: EndOptions,
): EndedAttempt => ({
  finished_at: task.at,
  settled,
  proof: proofOf({ ...result, outcome: ending.outcome }, attempt.process !== null) ?? attempt.proof,
  left_processes: result.leftProcesses?.length ? [...result.leftProcesses] : null,
  outcome: ending.outcome,
  failure_class: ending.failureClass,
  exit_code: ending.outcome === 'lost' ? null : result.exitCode,
  signal: ending.outcome === 'lost' ? null : result.signal,
  error: ending.outcome === 'completed' ? null : result.error || sentence(ending, result),
  summary: result.summary,
  output: result.output as EndedAttempt['output'],
  usage: result.usage,
  said_hash: saidHash,
});

/**
 * A holder asks before it makes a process, and a replica writes down that it sends a start before it does. Our own script
 * says `setup` only of a command that never began; what was reported as its process then was what should have become it.
 */
function isUnstarted({ task, attempt }: Held, { failureClass }: Result): boolean {
  if (task.status === 'assigned') return true;
  return attempt.execution_mode === 'ssh_cli' && (attempt.dead_by === null || failureClass === 'setup');
}

/** The machinery failed there, so the same task is better off elsewhere for a while. */
const isAgentsFault = ({ outcome, failureClass }: Ending): boolean =>
  outcome === 'lost' || failureClass === 'setup' || failureClass === 'infrastructure';

/** Only what the row tells of waiting and of being held changes. */
const final = (task: Held['task'], ending: Ending): EndedTask => ({
  ...task,
  status: ending.status,
  finished_at: task.at,
});

/** Pending again: as it was asked for at its creation, unless it names an agent. */
function again(deps: EndDeps, task: Held['task'], ending: Ending): EndedTask {
  const delaySeconds =
    ending.spends === 'retries'
      ? retryDelaySeconds(
          task.retry_delay_seconds,
          task.retries,
          deps.settings.execution.retryDelayMaxSeconds,
          deps.random,
        )
      : 0;
  const dueAt = delaySeconds === 0 ? null : new Date(Date.parse(task.at) + delaySeconds * 1000).toISOString();
  return {
    ...pendingAgain(task),
    retries: task.retries + (ending.spends === 'retries' ? 1 : 0),
    infra_retries: task.infra_retries + (ending.spends === 'infraRetries' ? 1 : 0),
    preemptions: task.preemptions + (ending.outcome === 'preempted' ? 1 : 0),
    ready: dueAt === null,
    ready_at: dueAt === null ? task.at : null,
    due_at: dueAt,
  };
}

function eventType({ status, outcome }: Ending): EventType {
  if (status !== 'pending') return status;
  if (outcome === 'lost') return 'lease_lost';
  return outcome === 'preempted' || outcome === 'released' ? outcome : 'failed';
}

const eventData = (ending: Pick<Ending, 'outcome' | 'failureClass'>, result: Result) => ({
  outcome: ending.outcome,
  failure_class: ending.failureClass,
  exit_code: result.exitCode,
  error: result.error,
});

/** What the event of a success says. */
export const completedData = (result: Result) => eventData({ outcome: 'completed', failureClass: null }, result);

/** For whom it was stopped, and how long it had run. */
const lossOf = ({ task, attempt }: Held) => ({
  for_task_id: task.stop_for,
  seconds_lost: attempt.started_at === null ? 0 : secondsBetween(attempt.started_at, task.at),
});

const secondsBetween = (from: string, to: string): number =>
  Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));

/** What a person reads when nobody said it better. */
function sentence({ outcome, failureClass }: Ending, { exitCode, signal }: Result): string {
  if (outcome === 'cancelled') return 'cancelled';
  if (outcome === 'preempted') return 'stopped for a task of higher priority';
  if (outcome === 'released') return 'handed back before it was started';
  if (outcome === 'lost') return 'nothing more can be known of the attempt';
  if (failureClass === 'exit')
    return exitCode === null ? 'the command failed' : `the command ended with exit code ${exitCode}`;
  if (failureClass === 'signal') return `the command was ended by ${signal ?? 'a signal'}`;
  if (failureClass === 'timeout') return 'the command ran longer than its timeout';
  return `the attempt failed (${failureClass})`;
}

/** What the server says in place of a holder that is gone. */
export const lostResult = (error: string): Result => ({ ...BLANK_RESULT, outcome: 'lost', error });

/** Ends an agent's open attempts as lost, at once: it has left. */
export async function loseAttempts(deps: Deps, agentId: string): Promise<void> {
  const [agent] = await agentNames(deps.db, [agentId]);
  for (const attemptId of await openAttemptsOfAgent(deps.db, agentId)) {
    await deps.db.transaction().execute(async (trx) => {
      const holder = { kind: 'agent', agentId, attemptId: null } as const;
      const held = await lockOwn(trx, holder, attemptId);
      if (held === null || !isHeld(held, holder)) return;
      await endHeld(trx, deps, held, lostResult(`agent ${agent?.name} has left`), {
        actor: { kind: 'agent', id: agentId },
        saidHash: null,
        settled: true,
      });
    });
  }
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'ended' });
}
