import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { AppError, type ErrorCode } from '../../src/domain/errors.ts';
import type { TaskEvent } from '../../src/domain/event.ts';
import type { Holder } from '../../src/domain/holder.ts';
import type { NewTask } from '../../src/domain/task.ts';
import { deleteAgent } from '../../src/usecases/agents/delete-agent.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { releaseUnanswered } from '../../src/usecases/attempt/release-unanswered.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { adoptAttempt, findFreeAttempts } from '../../src/usecases/hosts/adopt-attempts.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { approveTask } from '../../src/usecases/task/approve-task.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { patchTask } from '../../src/usecases/task/patch-task.ts';
import { retryTask } from '../../src/usecases/task/retry-task.ts';
import { unassignTask } from '../../src/usecases/task/unassign-task.ts';
import { preempt } from '../../src/usecases/upkeep/preempt.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { dequeue } from './dequeue.ts';
import { addAgent, alice, failed, newTask, succeeded } from './tasks.ts';

/** A task with agents of its own, as it stands before two act on it. */
export type Row = {
  id: string;
  /** Pulls, and is the one that is named or at work. */
  agent: string;
  /** Pulls too. */
  other: string;
  host: string;
  label: string;
  /** The replica that drives what runs on the host. */
  driver: string;
  attemptId: string;
  onHost: boolean;
  /** The urgent task that wants the agent's place. */
  urgent: string | null;
};

export type State =
  | 'pending'
  | 'named'
  | 'unapproved'
  | 'assigned'
  | 'running'
  | 'running on a host'
  | 'failed'
  | 'failed and named';

/** Which of the two acts this is, when both are the same: 0 or 1. */
type Side = number;

export type Act = {
  name: string;
  /** Where it makes sense, the most telling first. */
  states: readonly State[];
  prepare?: (deps: Deps, row: Row) => Promise<unknown>;
  /** Answers whether it did something; null when it can't tell. */
  run: (deps: Deps, row: Row, side: Side) => Promise<boolean | null>;
  /** With what it may be told that it came too late. */
  refusals: readonly ErrorCode[];
  /** Whether this is what it leaves in the history. */
  did: (event: TaskEvent) => boolean;
  /** Asked twice it is done once, and answered the same. */
  idempotent?: true;
};

const now = { maxTasks: 1, waitSeconds: 0, requestId: null };
const never = new AbortController().signal;

async function take(deps: Deps, agentId: string) {
  const [taken] = await dequeue(deps, agentId, now, never);
  return taken ?? null;
}

const dispatch = (deps: Deps, { host, driver }: Row) =>
  dispatchToHosts(deps, { replicaId: driver, hostIds: [host], lastUsed: null, attemptToken: (id) => `of ${id}` });

const holderOf = (row: Row) =>
  row.onHost
    ? ({ kind: 'replica', replicaId: row.driver } as const)
    : ({ kind: 'agent', agentId: row.agent, attemptId: null } as const);

const CHANGES: Partial<Record<State, Partial<NewTask>>> = {
  unapproved: { requiresApproval: true },
  running: { executionMode: 'http_pull' },
};

let made = 0;

/** Makes a task and brings it to where it is to be. Only agents of its own have its label. */
export async function makeRow(deps: Deps, label: string, state: State): Promise<Row> {
  made += 1;
  const [agent, other, host] = [`agent-${made}`, `other-${made}`, `host-${made}`];
  await Promise.all([
    addAgent(deps.db, agent, { labels: [label, `own-${label}`], capacity: 1 }),
    addAgent(deps.db, other, { labels: [label], capacity: 1 }),
    addAgent(deps.db, host, { labels: [label], capacity: 1, mode: 'ssh_cli' }),
  ]);
  const named = state === 'named' || state === 'failed and named' ? { namedAgentId: agent } : {};
  const { id } = await createTask(deps, alice, newTask({ requires: [label], ...named, ...CHANGES[state] }));
  const row: Row = {
    id,
    label,
    agent,
    other,
    host,
    driver: randomUUID(),
    attemptId: randomUUID(),
    onHost: false,
    urgent: null,
  };
  if (state === 'pending' || state === 'named' || state === 'unapproved') return row;
  if (state === 'running on a host') {
    row.attemptId = (await dispatch(deps, row)).dispatched[0]?.attemptId ?? '';
    row.onHost = true;
  } else {
    row.attemptId = (await take(deps, agent))?.attempt.id ?? '';
  }
  if (state.startsWith('running')) await startAttempt(deps, holderOf(row), row.attemptId, null);
  if (state.startsWith('failed')) await complete(deps, row, failed('exit', 1));
  return row;
}

/** Leaves nothing behind that acts on other rows would find. */
export async function tidy(deps: Deps, row: Row): Promise<void> {
  for (const id of [row.id, row.urgent]) if (id !== null) await end(deps, id);
  await sql`update agents set deleted_at = now(), online = false where id = any(${[row.agent, row.other, row.host]})`.execute(
    deps.db,
  );
}

async function end(deps: Deps, id: string): Promise<void> {
  await cancelTask(deps, alice, id, null).catch(() => {});
  const task = await deps.db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  if (task.status !== 'assigned' && task.status !== 'running') return;
  const holder: Holder =
    task.holder === null
      ? { kind: 'agent', agentId: task.assigned_agent_id ?? '', attemptId: null }
      : { kind: 'replica', replicaId: task.holder };
  await completeAttempt(deps, holder, task.attempt_id ?? '', succeeded, { hash: 'at last' });
}

const complete = (deps: Deps, row: Row, result: typeof succeeded) =>
  completeAttempt(deps, holderOf(row), row.attemptId, result, { hash: result.outcome });

const lapse = ({ db }: Deps, { id }: Row) =>
  sql`update tasks set lease_expires_at = now() - interval '1 hour' where id = ${id} and attempt_id is not null`.execute(
    db,
  );

const by = (event: TaskEvent, kind: TaskEvent['actor']['kind']) => event.actor.kind === kind;
const isOneOf = (event: TaskEvent, ...types: TaskEvent['type'][]) => types.includes(event.type);

export const ACTS: readonly Act[] = [
  {
    name: 'dispatch',
    states: ['pending', 'unapproved', 'failed'],
    run: async (deps, row) => (await dispatch(deps, row)).dispatched.length > 0,
    refusals: [],
    did: (event) => event.type === 'assigned' && event.data.execution_mode === 'ssh_cli',
  },
  {
    name: 'dequeue',
    states: ['pending', 'named', 'unapproved', 'failed', 'assigned', 'running'],
    run: async (deps, row, side) => (await take(deps, side === 0 ? row.agent : row.other)) !== null,
    refusals: [],
    did: (event) => event.type === 'assigned' && event.data.execution_mode === 'http_pull',
  },
  {
    name: 'assign',
    states: ['pending', 'named', 'unapproved', 'failed'],
    run: (deps, { id, agent }) => assignTask(deps, alice, id, { agentId: agent, executionMode: null }).then(() => true),
    refusals: ['assign_not_allowed', 'not_found'],
    did: (event) => event.type === 'agent_named',
  },
  {
    name: 'unassign',
    states: ['named', 'failed and named', 'pending'],
    run: (deps, { id }) => unassignTask(deps, alice, id).then(() => true),
    refusals: ['status_not_allowed'],
    did: (event) => event.type === 'agent_unnamed' && by(event, 'coordinator'),
  },
  {
    name: 'patch',
    states: ['pending', 'named', 'unapproved', 'failed'],
    run: (deps, { id }, side) => patchTask(deps, alice, id, { priority: 5 + side }, 'any').then(() => true),
    refusals: ['status_not_allowed'],
    did: (event) => event.type === 'changed',
  },
  {
    name: 'approve',
    states: ['unapproved'],
    run: (deps, { id }) => approveTask(deps, alice, id, [1]).then(() => true),
    refusals: ['status_not_allowed', 'version_mismatch'],
    did: (event) => event.type === 'approved',
  },
  {
    name: 'delete agent',
    states: ['named', 'failed and named', 'assigned', 'running', 'pending'],
    // It says nothing of the tasks that named the agent.
    run: (deps, { agent }) => deleteAgent(deps, agent).then(() => null),
    refusals: ['not_found'],
    did: (event) => event.type === 'agent_unnamed' && by(event, 'server'),
  },
  {
    name: 'cancel',
    states: ['pending', 'running', 'assigned', 'unapproved', 'named', 'running on a host', 'failed'],
    run: (deps, { id }) => cancelTask(deps, alice, id, 'not wanted').then(() => true),
    refusals: ['status_not_allowed'],
    did: (event) => isOneOf(event, 'cancelled', 'cancel_requested') && by(event, 'coordinator'),
    idempotent: true,
  },
  {
    name: 'start',
    states: ['assigned'],
    run: (deps, row) => startAttempt(deps, holderOf(row), row.attemptId, null).then(() => true),
    refusals: ['status_not_allowed', 'lease_lost', 'attempt_finished', 'not_found'],
    did: (event) => event.type === 'started',
    idempotent: true,
  },
  {
    name: 'renew',
    states: ['running', 'assigned', 'running on a host'],
    run: (deps, row) => renewAttempt(deps, holderOf(row), row.attemptId, null).then(() => null),
    refusals: ['lease_lost', 'attempt_finished', 'not_found'],
    did: () => false,
  },
  {
    name: 'complete',
    states: ['assigned', 'running on a host'],
    run: (deps, row) => complete(deps, row, succeeded).then(() => true),
    refusals: ['lease_lost', 'attempt_finished'],
    did: (event) => event.type === 'completed',
    idempotent: true,
  },
  {
    name: 'fail',
    states: ['running', 'assigned', 'running on a host'],
    run: (deps, row) => complete(deps, row, failed('exit', 2)).then(() => true),
    refusals: ['lease_lost', 'attempt_finished'],
    did: (event) =>
      isOneOf(event, 'failed', 'cancelled', 'preempted') && !by(event, 'coordinator') && event.data.exit_code === 2,
    idempotent: true,
  },
  {
    name: 'expire',
    states: ['running', 'assigned'],
    prepare: lapse,
    run: async (deps) => (await sweep(deps)).lost > 0,
    refusals: [],
    did: (event) =>
      isOneOf(event, 'lease_lost', 'cancelled', 'preempted') &&
      by(event, 'server') &&
      `${event.data.error}`.includes('lapsed'),
  },
  {
    name: 'adopt',
    states: ['running on a host'],
    prepare: lapse,
    run: async (deps, { host }) => {
      const replica = { id: randomUUID(), bootId: 'b', pidNamespace: 'p', pid: 1, startedAt: '1' };
      const [free] = await findFreeAttempts(deps, replica, [host], () => false);
      return free !== undefined && (await adoptAttempt(deps, replica.id, free));
    },
    refusals: [],
    did: (event) => event.type === 'reattached',
  },
  {
    name: 'preempt',
    states: ['running'],
    async prepare(deps, row) {
      const urgent = newTask({ requires: [`own-${row.label}`], priority: 8, executionMode: 'http_pull' });
      row.urgent = (await createTask(deps, alice, urgent)).id;
    },
    run: async (deps) => (await preempt(deps)) > 0,
    refusals: [],
    did: (event) => event.type === 'cancel_requested' && event.data.reason === 'preempted',
  },
  {
    name: 'release',
    states: ['assigned', 'running'],
    run: (deps, { agent, attemptId }) => releaseUnanswered(deps, agent, [attemptId]).then(() => null),
    refusals: ['not_found'],
    did: (event) => by(event, 'server') && `${event.data.error}`.includes('could be told'),
  },
  {
    name: 'retry',
    states: ['failed', 'failed and named', 'running', 'pending', 'named', 'assigned', 'running on a host'],
    run: (deps, { id }) => retryTask(deps, alice, id).then(() => true),
    refusals: ['status_not_allowed'],
    did: (event) => event.type === 'retried',
  },
];

/** `fit`: both could win; else one of them comes too early or too late whatever happens. */
export type Pair = { first: Act; second: Act; state: State; fit: boolean };

/** All pairs, an act with itself too, and where to race them: at most two states in which both make sense. */
export const pairs = (): Pair[] =>
  ACTS.flatMap((first, index) =>
    ACTS.slice(index).flatMap((second) => {
      const common = first.states.filter((state) => second.states.includes(state)).slice(0, 2);
      const states = common.length > 0 ? common : first.states.slice(0, 1);
      return states.map((state) => ({ first, second, state, fit: common.length > 0 }));
    }),
  );

/** What an act came to: whether it did something, or the code with which it was refused. */
export const outcomeOf = (act: Act, call: Promise<boolean | null>): Promise<boolean | null> =>
  call.catch((error: unknown) => {
    if (error instanceof AppError && act.refusals.includes(error.code)) return false;
    throw error;
  });
