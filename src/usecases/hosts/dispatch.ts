import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { chooseHost, type Place } from '../../domain/match.ts';
import { tokenHash } from '../../domain/token.ts';
import { type Candidate, lockAgents, lockCandidates, type Take, takeTasks } from '../../store/claims.ts';
import { countFromHereAtTimes, takenPlaces } from '../../store/places.ts';
import type { AgentRow, Database } from '../../store/schema.ts';
import { hostsToAsk } from '../../store/ssh-attempts.ts';
import { databaseTime } from '../../store/task-changes.ts';
import { takenTaskOf } from '../../store/tasks.ts';
import { inOrder, transact } from '../../store/transact.ts';
import type { Deps } from '../deps.ts';
import type { Session } from '../dequeue/give-out.ts';
import { isFor } from '../dequeue/is-for.ts';
import { lookBehind } from '../dequeue/look-behind.ts';
import { SERVER } from '../server-actor.ts';
import type { AttemptToDrive } from './host-attempts.ts';

/** An attempt that this replica is to start on a host. */
export type Dispatched = { attemptId: string; taskId: string; hostId: string; toDrive: AttemptToDrive };

/** `began`: by the database's clock, if it was to be asked; what became ready later was not seen. */
export type DispatchPass = { began: string | null; dispatched: Dispatched[] };

export type DispatchOptions = {
  replicaId: string;
  /** Hosts of this replica's file that answered lately, in the order of the file. */
  hostIds: readonly string[];
  /** For the policy `round_robin`. */
  lastUsed: string | null;
  /** Whether to ask the database for the time at which this began. */
  timed?: boolean;
  /** The token with which the command of an attempt makes its own reports. */
  attemptToken: (attemptId: string) => string;
};

/**
 * Phase 1: gives ready tasks, best rank first, to hosts that have their labels and a free place. The hosts' rows are
 * locked before their places are counted, and the task's row decides against dequeue, assign and other replicas. A host
 * that is to be asked about what ended there without its word is given nothing before.
 */
export async function dispatchToHosts(deps: Deps, options: DispatchOptions): Promise<DispatchPass> {
  const began = options.timed === true ? await databaseTime(deps.db) : null;
  if (options.hostIds.length === 0) return { began, dispatched: [] };
  const dispatched = await transact(deps.hot, (trx, oneMore) => claimForHosts({ trx, oneMore }, deps, options));
  for (const { taskId } of dispatched) deps.wakeups.emit({ kind: 'task', taskId });
  return { began, dispatched };
}

async function claimForHosts(session: Session, deps: Deps, options: DispatchOptions): Promise<Dispatched[]> {
  const { trx } = session;
  const { hostIds } = options;
  const [locked, toAsk, { taken, newestLane }] = await inOrder(
    lockAgents(trx, hostIds),
    hostsToAsk(trx, hostIds),
    takenPlaces(trx, hostIds),
  );
  const takers = locked.filter((host) => takesWork(host) && !toAsk.includes(host.id));
  const hosts = hostIds.flatMap((id) => takers.find((host) => host.id === id) ?? []);
  if (hosts.length === 0) return [];
  await deps.lanes.upTo(trx, newestLane);
  await countFromHereAtTimes(trx, hostIds, deps.random);
  const places = hosts.map((host) => ({ host, taken: taken.get(host.id) ?? 0 }));
  const all: Dispatched[] = [];
  // Again while it fills hosts: tasks of those that became full stood before those of the hosts that are left.
  for (;;) {
    const free = places.filter(hasPlace);
    if (free.length === 0) return all;
    const lastUsed = all.at(-1)?.hostId ?? options.lastUsed;
    const { placed, sawAll } = await placeBest(trx, deps, free, lastUsed);
    const isLast = placed.length === 0 || (sawAll && free.every(hasPlace));
    if (isLast && placed.length > 0) session.oneMore();
    all.push(...(await take(trx, deps, options, placed)));
    if (isLast) return all;
  }
}

const hasPlace = ({ host, taken }: Counted): boolean => taken < host.capacity;

async function take(
  trx: Transaction<Database>,
  deps: Deps,
  { replicaId, attemptToken }: DispatchOptions,
  placed: readonly Placed[],
): Promise<Dispatched[]> {
  const takes = placed.map((one): Take => {
    const attemptId = randomUUIDv7();
    return { ...one, attemptId, tokenHash: tokenHash(attemptToken(attemptId)), requestId: null };
  });
  const leaseSeconds = deps.settings.leases.seconds;
  const opened = await takeTasks(trx, takes, {
    mode: 'ssh_cli',
    leaseSeconds,
    holder: replicaId,
    happening: (take) => ({
      type: 'assigned',
      actor: SERVER,
      attemptId: take.attemptId,
      data: { agent_id: take.agentId, execution_mode: 'ssh_cli' },
    }),
  });
  return takes.flatMap(({ attemptId, agentId: hostId }) => {
    const row = opened.get(attemptId);
    if (row === undefined) return [];
    const attempt = { id: attemptId, number: row.attempts, hostId };
    const toDrive = { task: takenTaskOf(row), attempt, resume: null, wrapper: null, leaseSeconds };
    return [{ attemptId, taskId: row.id, hostId, toDrive }];
  });
}

type Placed = { candidate: Candidate; agentId: string };

/**
 * The best-ranked tasks, each with its place. Tasks in front that none of the hosts may run, for the limits that they ask
 * for, may fill the look: it is looked behind them then.
 */
async function placeBest(
  trx: Transaction<Database>,
  deps: Deps,
  places: Counted[],
  lastUsed: string | null,
): Promise<{ placed: Placed[]; sawAll: boolean }> {
  const hosts = places.map(({ host }) => host);
  const free = places.reduce((sum, place) => sum + place.host.capacity - place.taken, 0);
  const lanes = deps.lanes.servedBy(hosts);
  const first = await lockCandidates(trx, {
    mode: 'ssh_cli',
    agentIds: hosts.map(({ id }) => id),
    lanes,
    fronts: deps.fronts.of('ssh_cli', lanes),
    limit: free,
    heldByOthers: HELD_BY_OTHERS,
  });
  const { policy } = deps.settings.dispatch;
  const placed = placeAll(first, places, policy, lastUsed);
  const sawAll = first.length < free;
  const lastSeen = first.at(-1);
  if (placed.length > 0 || sawAll || lastSeen === undefined) return { placed, sawAll };
  const behind = await lookBehind(trx, deps, 'ssh_cli', hosts, lastSeen);
  return { placed: placeAll(behind, places, policy, lastUsed), sawAll };
}

const takesWork = (host: AgentRow): boolean =>
  host.execution_mode === 'ssh_cli' && host.deleted_at === null && host.online && !host.cordoned && !host.draining;

/** Tasks that claims of agents may hold at this moment. */
const HELD_BY_OTHERS = 32;

type Counted = { host: AgentRow; taken: number };

function placeAll(
  candidates: readonly Candidate[],
  places: Counted[],
  policy: Deps['settings']['dispatch']['policy'],
  lastUsed: string | null,
): Placed[] {
  let last = lastUsed;
  return candidates.flatMap((candidate) => {
    const chosen = chooseHost(placesFor(candidate, places), policy, last);
    const place = places.find(({ host }) => host.id === chosen);
    if (place === undefined) return [];
    place.taken += 1;
    last = place.host.id;
    return [{ candidate, agentId: place.host.id }];
  });
}

const placesFor = (candidate: Candidate, places: readonly Counted[]): Place[] =>
  places
    .filter(({ host }) => isFor(candidate, host))
    .map(({ host, taken }) => ({ agentId: host.id, capacity: host.capacity, taken }));
