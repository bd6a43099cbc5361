import type { LeftProcess } from '../domain/machine.ts';
import type { ProcessIdentity } from '../domain/process.ts';
import type { Contact, StopReason, Task } from '../domain/task.ts';
import { findAttemptRow, settleAttempt, unsettledAttempts } from '../store/attempts.ts';
import type { HostStore } from '../store/schema.ts';
import * as ssh from '../store/ssh-attempts.ts';
import { findTask } from '../store/tasks.ts';
import type { Deps } from './deps.ts';
import { endHeld, lostResult } from './end-attempt.ts';
import { lockOpen } from './holding.ts';
import { judgeAgents } from './judge-agent.ts';
import { SERVER } from './server-actor.ts';

/** What a replica must know to drive an attempt: its task, and what is on record of an earlier driver. */
export type AttemptToDrive = {
  task: Task;
  attempt: { id: string; number: number; hostId: string };
  resume: { store: HostStore | null; process: ProcessIdentity | null } | null;
  /** For how long yet the replica has its lease, from when it asked or later. */
  leaseSeconds: number;
};

/** Null for an attempt that has ended, or that another replica drives. */
export async function attemptToDrive(deps: Deps, replicaId: string, attemptId: string): Promise<AttemptToDrive | null> {
  const row = await findAttemptRow(deps.db, attemptId);
  const task = row && (await findTask(deps.db, row.task_id));
  if (!task || row.finished_at !== null) return null;
  const leaseSeconds = await ssh.leaseLeft(deps.db, replicaId, attemptId);
  if (leaseSeconds === null) return null;
  return {
    task,
    attempt: { id: row.id, number: row.number, hostId: row.agent_id },
    // Asked to start once: whatever the earlier driver sent, it recorded before.
    resume: task.status === 'assigned' ? null : { store: row.host_store, process: row.process },
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

/** Whether the host answers about an attempt: shown on the task. */
export async function recordContact(
  deps: Deps,
  replicaId: string,
  attemptId: string,
  state: Contact['state'],
): Promise<void> {
  await ssh.recordContact(deps.db, attemptId, replicaId, state);
}

/** Why an attempt is to stop, if it is. */
export const stopAskedOf = (deps: Deps, attemptId: string): Promise<StopReason | null> =>
  ssh.stopReasonOf(deps.db, attemptId);

/** Lets go of all that a replica drives: it stops, and whoever comes next may go on at once. */
export const giveBackLeases = (deps: Deps, replicaId: string): Promise<void> => ssh.lapseLeasesOf(deps.db, replicaId);

/**
 * Ends, as lost, attempts on hosts out of reach of which nothing more can come. Those that may have been started keep
 * their places until the host was asked. Answers how many were found.
 */
export async function loseHopeless(
  deps: Deps,
  lostAfter: readonly { hostId: string; seconds: number }[],
): Promise<number> {
  const found = await ssh.hopelessAttempts(deps.db, lostAfter);
  for (const one of found) await loseOne(deps, one);
  if (found.length > 0) deps.wakeups.emit({ kind: 'ready' }, { kind: 'ended' });
  return found.length;
}

/** Under the task's lock, if nobody has adopted, started or ended the attempt meanwhile. */
async function loseOne(deps: Deps, { attempt_id: attemptId, dead_by: deadBy }: ssh.Hopeless): Promise<void> {
  const ended = await deps.db.transaction().execute(async (trx) => {
    const held = await lockOpen(trx, attemptId);
    if (held === null || held.attempt.dead_by !== deadBy) return null;
    const { task, attempt } = held;
    if (task.lease_expires_at === null || task.lease_expires_at >= task.at) return null;
    return endHeld(trx, deps, held, lostResult(`host ${attempt.agent_id} is out of reach`), {
      actor: SERVER,
      saidHash: null,
      settled: deadBy === null,
    });
  });
  if (ended !== null) await judgeAgents(deps, [ended]);
}

/** Attempts on a host that ended without its word; its places count them until the host was asked. */
export const unsettledOn = async (deps: Deps, hostId: string): Promise<string[]> =>
  (await unsettledAttempts(deps.db, hostId)).map((attempt) => attempt.id);

/** The host runs nothing of it any more but what could not be killed there. */
export async function settle(deps: Deps, attemptId: string, left: readonly LeftProcess[]): Promise<void> {
  await settleAttempt(deps.db, attemptId, left);
  deps.wakeups.emit({ kind: 'ready' });
}
