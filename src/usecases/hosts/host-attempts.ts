import type { LeftProcess } from '../../domain/machine.ts';
import type { ProcessIdentity } from '../../domain/process.ts';
import type { Contact, StopReason, Task } from '../../domain/task.ts';
import { findAttemptRow, settleAttempt, unsettledAttempts } from '../../store/attempts.ts';
import type { HostStore } from '../../store/schema.ts';
import * as ssh from '../../store/ssh-attempts.ts';
import { findTask } from '../../store/tasks.ts';
import { endHeld, lostResult } from '../attempt/end-attempt.ts';
import { type Held, lockOpen } from '../attempt/holding.ts';
import { judgeAgents } from '../attempt/judge-agent.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';

/** What a replica must know to drive an attempt: its task, and what is on record of an earlier driver. */
export type AttemptToDrive = {
  task: Task;
  attempt: { id: string; number: number; hostId: string };
  resume: { store: HostStore | null; process: ProcessIdentity | null } | null;
  /** The script that was to start it, if a start was ever to be sent. */
  wrapper: string | null;
  /** For how long yet the replica has its lease, from when it asked or later. */
  leaseSeconds: number;
};

/** Null for an attempt that has ended, or that another replica drives. */
export async function attemptToDrive(deps: Deps, replicaId: string, attemptId: string): Promise<AttemptToDrive | null> {
  const lease = ssh.leaseLeft(deps.db, replicaId, attemptId);
  const [row, leaseSeconds] = await Promise.all([findAttemptRow(deps.db, attemptId), lease]);
  const task = row && (await findTask(deps.db, row.task_id));
  if (!task || row.finished_at !== null || leaseSeconds === null) return null;
  return {
    task,
    attempt: { id: row.id, number: row.number, hostId: row.agent_id },
    // Asked to start once: whatever the earlier driver sent, it recorded before.
    resume: task.status === 'assigned' ? null : { store: row.host_store, process: row.process },
    wrapper: row.host_store?.wrapper ?? null,
    leaseSeconds,
  };
}

/** Attempts that this replica holds by the database. */
export const attemptsHeldBy = (deps: Deps, replicaId: string): Promise<string[]> =>
  ssh.heldAttempts(deps.db, replicaId);

/**
 * Before each start that is sent; `store` null where it is on record already. Throws when the attempt is somebody
 * else's by now, or nobody's: nothing may be sent then.
 */
export async function recordStarting(
  deps: Deps,
  replicaId: string,
  attemptId: string,
  store: HostStore | null,
): Promise<void> {
  const grace = deps.settings.execution.killGraceSeconds;
  if (!(await ssh.recordStarting(deps.db, attemptId, replicaId, store, grace))) {
    throw new Error(`attempt ${attemptId} is not driven by this replica any more`);
  }
}

/** What was recorded of the first start that was to be sent is void: nothing came of it. */
export const forgetStarting = (deps: Deps, replicaId: string, attemptId: string): Promise<void> =>
  ssh.forgetStarting(deps.db, attemptId, replicaId);

/** Whether the host answers about an attempt, and for how long it has been so: shown on the task. */
export async function recordContact(
  deps: Deps,
  replicaId: string,
  attemptId: string,
  state: Contact['state'],
  forSeconds = 0,
): Promise<void> {
  await ssh.recordContact(deps.db, attemptId, replicaId, { state, forSeconds });
}

/** Why an attempt is to stop, if it is. */
export const stopAskedOf = (deps: Deps, attemptId: string): Promise<StopReason | null> =>
  ssh.stopReasonOf(deps.db, attemptId);

/** Without an answer about an attempt for so long, its host is out of reach for it. */
export const SILENT_SECONDS = 15;
/** Beats that must have been missed for an outage of ours: see the sweep. */
export const OUTAGE_BEATS = 3;

/**
 * Notes where nobody gets an answer about an attempt, and ends, as lost, those of which nothing more can come. Those
 * that may have been started keep their places until the host was asked. After an outage of ours every host has the
 * time of a lease to answer first. Answers how many ended.
 */
export async function loseHopeless(
  deps: Deps,
  lostAfter: readonly { hostId: string; seconds: number }[],
  signal?: AbortSignal,
): Promise<number> {
  const { leases } = deps.settings;
  const outageSeconds = OUTAGE_BEATS * leases.sweepSeconds;
  for (const taskId of await ssh.noteSilence(deps.db, SILENT_SECONDS, outageSeconds)) {
    deps.wakeups.emit({ kind: 'task', taskId });
  }
  const found = await ssh.hopelessAttempts(deps.db, lostAfter, { outageSeconds, patienceSeconds: leases.seconds });
  let lost = 0;
  for (const one of found) if (!signal?.aborted && (await loseOne(deps, one))) lost++;
  if (lost > 0) deps.wakeups.emit({ kind: 'ready' }, { kind: 'ended' });
  return lost;
}

/** Under the task's lock, if nobody has adopted, started or ended the attempt meanwhile. */
async function loseOne(deps: Deps, { attempt_id: attemptId, dead_by: deadBy }: ssh.Hopeless): Promise<boolean> {
  const ended = await deps.db.transaction().execute(async (trx) => {
    const held = await lockOpen(trx, attemptId);
    if (held === null || held.attempt.dead_by !== deadBy) return null;
    const { task } = held;
    if (task.lease_expires_at === null || task.lease_expires_at >= task.at) return null;
    // Somebody may have had an answer and let go of it again.
    if (held.attempt.contact?.state !== 'unreachable') return null;
    return endHeld(trx, deps, held, lostResult(lostBecause(held)), {
      actor: SERVER,
      saidHash: null,
      settled: deadBy === null,
    });
  });
  if (ended === null) return false;
  await judgeAgents(deps, [ended]);
  deps.wakeups.emit({ kind: 'task', taskId: ended.taskId }, { kind: 'log', attemptId });
  return true;
}

function lostBecause({ task, attempt }: Held): string {
  const silent = `host ${attempt.agent_id} has not answered about it since ${attempt.contact?.since}`;
  if (attempt.dead_by === null) return `${silent}; nothing was started there`;
  return attempt.dead_by < task.at ? `${silent}, and has surely ended it by now` : `${silent}, longer than it may`;
}

/** An attempt that ended without the word of its host, and the script that was to start it there. */
export type Unsettled = { id: string; wrapper: string | null };

/** Those of a host; its places count them until it was asked. */
export const unsettledOn = async (deps: Deps, hostId: string): Promise<Unsettled[]> =>
  (await unsettledAttempts(deps.db, hostId)).map((row) => ({ id: row.id, wrapper: row.host_store?.wrapper ?? null }));

/** The host has answered about one that it can't settle yet: what has other places there may be started. */
export async function noteAsked(deps: Deps, attemptId: string): Promise<void> {
  if (await ssh.recordAsked(deps.db, attemptId)) deps.wakeups.emit({ kind: 'ready' });
}

/** The host runs nothing of it any more but what could not be killed there; null where that isn't known. */
export async function settle(deps: Deps, attemptId: string, left: readonly LeftProcess[] | null): Promise<void> {
  await settleAttempt(deps.db, attemptId, left);
  deps.wakeups.emit({ kind: 'ready' });
}
