import { type Candidate, lockAgents } from '../../store/claims.ts';
import { touchAgents } from '../../store/leases.ts';
import { countFromHereAtTimes, takenPlaces } from '../../store/places.ts';
import type { AgentRow } from '../../store/schema.ts';
import { inOrder, transact } from '../../store/transact.ts';
import type { Deps } from '../deps.ts';
import { giveOut, look, MOST_TASKS, type Seat, type Session } from './give-out.ts';
import { leaseAgain, takenEarlier } from './lease-again.ts';
import type { Ask, Taken } from './taken.ts';

export type Claimed = {
  taken: Taken[];
  /** What the agent may serve. */
  labels: readonly string[];
  /** The agent had no place, or somebody else's task was in the way: another who waits may have better luck. */
  passed: boolean;
  /** The agent had no place. */
  full: boolean;
  /** What it asks for was asked for before: there is nothing to wait for. */
  repeated: boolean;
};

/**
 * Gives agents that ask together the best-ranked tasks that each can take now, whoever asked first before the others,
 * at most as many as it has places. One transaction; the answers are in the order of the asks.
 */
export async function claimForAgents(deps: Deps, asked: readonly Ask[]): Promise<Claimed[]> {
  const { asks, places } = withoutRepeats(asked);
  const lately = deps.lanes.servedLately(asks.filter(({ wasFull }) => !wasFull).map(({ agentId }) => agentId));
  const claimed = (await claimOnce(deps, asks, lately)) ?? (await claimOnce(deps, asks, null)) ?? [];
  return places.map((place) => claimed[place] as Claimed);
}

/** One transaction, and what others are to be told of it. Null if it has to be tried without `lately`. */
async function claimOnce(
  deps: Deps,
  asks: readonly Ask[],
  lately: readonly number[] | null,
): Promise<Claimed[] | null> {
  const claim = await transact(deps.hot, (trx, oneMore) => claimAll({ trx, oneMore }, deps, asks, lately));
  if (claim.online) deps.wakeups.emit({ kind: 'agents' });
  tellOfSpare(deps, claim.spare);
  for (const [index, { taken, repeated }] of (claim.claimed ?? []).entries()) {
    if (!repeated) tellOf(deps, asks[index] as Ask, taken);
  }
  return claim.claimed;
}

/** A request and its repeat may come together: then one of them asks, and both are answered the same. */
function withoutRepeats(asked: readonly Ask[]): { asks: Ask[]; places: number[] } {
  const placeOf = new Map<string, number>();
  const asks: Ask[] = [];
  const places = asked.map((ask) => {
    if (ask.requestId === null) return asks.push(ask) - 1;
    const key = JSON.stringify([ask.agentId, ask.requestId]);
    const place = placeOf.get(key) ?? asks.push(ask) - 1;
    placeOf.set(key, place);
    return place;
  });
  return { asks, places };
}

/** What was locked and not taken other claims have skipped meanwhile, and whoever they were for waits again. */
function tellOfSpare({ wakeups }: Deps, spare: readonly Candidate[]): void {
  for (const [lane, tasks] of Map.groupBy(spare, (task) => task.lane)) {
    const rank = Math.min(...tasks.map((task) => task.rank));
    wakeups.emit({ kind: 'ready', lane, tasks: tasks.length, rank });
  }
}

/** Of a request that is repeated while the first still waits, both are answered the same. */
function tellOf({ wakeups }: Deps, { agentId, requestId }: Ask, taken: readonly Taken[]): void {
  for (const { task } of taken) wakeups.emit({ kind: 'task', taskId: task.id });
  if (requestId !== null && taken.length > 0) wakeups.emit({ kind: 'place', agentId });
}

type Claim = {
  claimed: Claimed[] | null;
  /** Somebody was offline until now. */
  online: boolean;
  /** What was locked for nothing. */
  spare: readonly Candidate[];
};

/**
 * Where it is remembered what the agents may serve, tasks are looked for in the same breath as their rows are locked;
 * what is said of both is judged by the rows. Not for agents that had no place: theirs would be locked for nothing.
 * Nothing is claimed if a request was asked before while others' tasks are held: its leases are to be renewed, and who
 * waits for a row must hold none that others wait for.
 */
async function claimAll(
  session: Session,
  deps: Deps,
  asks: readonly Ask[],
  lately: readonly number[] | null,
): Promise<Claim> {
  const { trx } = session;
  const ids = [...new Set(asks.map(({ agentId }) => agentId))].sort();
  const most = Math.min(
    asks.reduce((sum, { maxTasks, wasFull }) => sum + (wasFull ? 0 : maxTasks), 0),
    MOST_TASKS,
  );
  const [locked, earlier, { taken, newestLane }, early] = await inOrder(
    lockAgents(trx, ids),
    takenEarlier(trx, asks),
    takenPlaces(trx, ids),
    look(session, deps, ids, lately ?? [], most, 0),
  );
  if (earlier.length > 0 && early.length > 0) return { claimed: null, online: false, spare: early };
  const again = await leaseAgain(trx, deps, asks, earlier);
  const agents = new Map(locked.map((agent) => [agent.id, agent]));
  await deps.lanes.upTo(trx, newestLane);
  await countFromHereAtTimes(trx, ids, deps.random);
  const offline = locked.filter((agent) => !agent.online && agent.deleted_at === null).map(({ id }) => id);
  if (offline.length > 0) await touchAgents(trx, offline);
  const seats = asks.map((ask, index) => seatOf(ask, agents.get(ask.agentId), again.has(index)));
  const free = new Map(locked.map((agent) => [agent.id, agent.capacity - (taken.get(agent.id) ?? 0)]));
  const spare = await giveOut(
    session,
    deps,
    seats,
    free,
    lately === null ? null : { candidates: early, lanes: new Set(lately), limit: most },
  );
  const spareLanes = [...new Set(spare.map(({ lane }) => lane))];
  const sees = (agent: AgentRow) => spareLanes.some((lane) => deps.lanes.serves(agent, lane));
  const claimed = seats.map(({ taken: got, agent, ask }, index) => {
    const full = (free.get(ask.agentId) ?? 0) <= 0;
    return {
      labels: agents.get(ask.agentId)?.labels ?? [],
      taken: again.get(index) ?? got,
      repeated: again.has(index),
      passed: got.length === 0 && (agent === null || full || sees(agent)),
      full,
    };
  });
  return { claimed, online: offline.length > 0, spare };
}

function seatOf(ask: Ask, agent: AgentRow | undefined, answered: boolean): Seat {
  const asking = agent !== undefined && !answered && mayTake(agent) ? agent : null;
  return { ask, agent: asking, promised: 0, taken: [] };
}

const mayTake = (agent: AgentRow): boolean =>
  agent.execution_mode === 'http_pull' &&
  agent.deleted_at === null &&
  !agent.cordoned &&
  !agent.draining &&
  agent.says_draining === null;
