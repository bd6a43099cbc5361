import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { newAttemptToken, tokenHash } from '../../domain/token.ts';
import { type Candidate, lockAgents, lockCandidates, type Take, takenPlaces, takeTasks } from '../../store/claims.ts';
import { touchAgents } from '../../store/leases.ts';
import type { AgentRow, Database, TaskRow } from '../../store/schema.ts';
import { databaseTime } from '../../store/task-changes.ts';
import { takenTaskOf } from '../../store/tasks.ts';
import { inOrder, transact } from '../../store/transact.ts';
import type { Deps } from '../deps.ts';
import { isFor } from './is-for.ts';
import { leaseAgain } from './lease-again.ts';
import { type Ask, leased, type Taken } from './taken.ts';

type Trx = Transaction<Database>;

export type Claimed = {
  taken: Taken[];
  /** What the agent may serve. */
  labels: readonly string[];
  /** The agent had no place, or somebody else's task was in the way: another who waits may have better luck. */
  passed: boolean;
  /** What it asks for was asked for before: there is nothing to wait for. */
  repeated: boolean;
};

/** A claim never locks more tasks than this, however many are asked for. */
export const MOST_TASKS = 500;

/**
 * Gives agents that ask together the best-ranked tasks that each can take now, whoever asked first before the others,
 * at most as many as it has places. One transaction; the answers are in the order of the asks.
 */
export async function claimForAgents(deps: Deps, asked: readonly Ask[]): Promise<Claimed[]> {
  const { asks, places } = withoutRepeats(asked);
  const claim = await transact(deps.hot, (trx) => claimAll(trx, deps, asks));
  if (claim.online) deps.wakeups.emit({ kind: 'agents' });
  tellOfSpare(deps, claim.spare);
  for (const [index, { taken, repeated }] of claim.claimed.entries()) {
    if (!repeated) tellOf(deps, asks[index] as Ask, taken);
  }
  return places.map((place) => claim.claimed[place] as Claimed);
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
  for (const [lane, { length: tasks }] of Map.groupBy(spare, (task) => task.lane)) {
    wakeups.emit({ kind: 'ready', lane, tasks });
  }
}

/** Of a request that is repeated while the first still waits, both are answered the same. */
function tellOf({ wakeups }: Deps, { agentId, requestId }: Ask, taken: readonly Taken[]): void {
  for (const { task } of taken) wakeups.emit({ kind: 'task', taskId: task.id });
  if (requestId !== null && taken.length > 0) wakeups.emit({ kind: 'place', agentId });
}

async function claimAll(
  trx: Trx,
  deps: Deps,
  asks: readonly Ask[],
): Promise<{ claimed: Claimed[]; online: boolean; spare: Candidate[] }> {
  const ids = [...new Set(asks.map(({ agentId }) => agentId))].sort();
  const [locked, again, { taken, newestLane }] = await inOrder(
    lockAgents(trx, ids),
    leaseAgain(trx, deps, asks),
    takenPlaces(trx, ids),
  );
  const agents = new Map(locked.map((agent) => [agent.id, agent]));
  await deps.lanes.upTo(trx, newestLane);
  const seats = asks.map((ask, index) => seatOf(ask, agents.get(ask.agentId), again.has(index)));
  const free = new Map([...agents.values()].map((agent) => [agent.id, agent.capacity - (taken.get(agent.id) ?? 0)]));
  const spare = await fill(trx, deps, seats, free);
  const spareLanes = [...new Set(spare.map(({ lane }) => lane))];
  const sees = (agent: AgentRow) => spareLanes.some((lane) => deps.lanes.serves(agent, lane));
  const offline = [...agents.values()].filter((agent) => !agent.online && agent.deleted_at === null);
  if (offline.length > 0) {
    await touchAgents(
      trx,
      offline.map(({ id }) => id),
    );
  }
  const claimed = seats.map(({ taken: got, agent, ask }, index) => ({
    labels: agents.get(ask.agentId)?.labels ?? [],
    taken: again.get(index) ?? got,
    repeated: again.has(index),
    passed: got.length === 0 && (agent === null || (free.get(ask.agentId) ?? 0) <= 0 || sees(agent)),
  }));
  return { claimed, online: offline.length > 0, spare };
}

/** One who asks, with what it may serve and gets. `agent` is null for one that takes nothing now. */
type Seat = { ask: Ask; agent: AgentRow | null; promised: number; taken: Taken[] };

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

const WINDOWS = [
  { factor: 1, heldByOthers: 32 },
  { factor: 8, heldByOthers: 2 * MOST_TASKS },
];

/** Gives out tasks until nobody wants more or there is none. Answers those that were locked for nothing. */
async function fill(trx: Trx, deps: Deps, seats: readonly Seat[], free: Map<string, number>): Promise<Candidate[]> {
  const wanting = () => seats.filter((seat) => wants(seat, free) > 0);
  const spare = new Map<string, Candidate>();
  let asked = wanting();
  // Tasks in front that none of them may take, or that other claims hold, may fill a window: once more then with a larger.
  for (const { factor, heldByOthers } of WINDOWS) {
    const places = asked.reduce((sum, seat) => sum + wants(seat, free), 0);
    if (places === 0) break;
    const limit = Math.min(places * factor, MOST_TASKS);
    const [candidates, at] = await inOrder(
      lockCandidates(trx, {
        mode: 'http_pull',
        agentIds: [...new Set(asked.map(({ ask }) => ask.agentId))],
        lanes: deps.lanes.servedBy(asked.flatMap(({ agent }) => agent ?? [])),
        limit,
        heldByOthers,
      }),
      databaseTime(trx),
    );
    const given = await give(trx, deps, { candidates, at }, asked, free);
    for (const candidate of candidates) spare.set(candidate.id, candidate);
    for (const id of given) spare.delete(id);
    const seenAll = given.length === candidates.length || candidates.length < limit;
    if (seenAll && candidates.length > 0) break;
    asked = wanting();
  }
  return [...spare.values()];
}

const wants = ({ ask, agent, promised }: Seat, free: ReadonlyMap<string, number>): number =>
  agent === null ? 0 : Math.max(0, Math.min(ask.maxTasks - promised, free.get(ask.agentId) ?? 0));

type Given = { seat: Seat; token: string; take: Take };

async function give(
  trx: Trx,
  deps: Deps,
  { candidates, at }: { candidates: readonly Candidate[]; at: string },
  seats: readonly Seat[],
  free: Map<string, number>,
): Promise<string[]> {
  const given = match(candidates, seats, free);
  if (given.length === 0) return [];
  const opened = await takeTasks(
    trx,
    given.map(({ take }) => take),
    {
      mode: 'http_pull',
      at,
      leaseSeconds: deps.settings.leases.seconds,
      holder: null,
      happening: ({ agentId, attemptId }) => ({
        type: 'assigned',
        actor: { kind: 'agent', id: agentId },
        attemptId,
        data: { agent_id: agentId, execution_mode: 'http_pull' },
      }),
    },
  );
  for (const { seat, token, take } of given) {
    const row = opened.get(take.attemptId);
    if (row === undefined) continue;
    seat.taken.push(leased(deps, takenTaskOf(row), token));
    deps.fresh.remember(freshOf(row, take, seat.agent));
  }
  return Array.from(opened.values(), ({ id }) => id);
}

const freshOf = (row: TaskRow, { attemptId, agentId }: Take, agent: AgentRow | null) => ({
  attemptId,
  agentId,
  doubted: agent === null || agent.own_failures.length > 0,
  id: row.id,
  status: row.status,
  event_n: row.event_n,
  event_hash: row.event_hash,
  environment: row.environment,
  output_schema: row.output_schema,
});

/** Each task goes to whoever asked first of those that may take it. Counts the places down. */
function match(candidates: readonly Candidate[], seats: readonly Seat[], free: Map<string, number>): Given[] {
  return candidates.flatMap((candidate) => {
    const seat = seats.find((one) => wants(one, free) > 0 && one.agent !== null && isFor(candidate, one.agent));
    if (seat === undefined) return [];
    const { agentId, requestId } = seat.ask;
    seat.promised += 1;
    free.set(agentId, (free.get(agentId) ?? 0) - 1);
    const attemptId = randomUUIDv7();
    const token = newAttemptToken(attemptId);
    const take = { candidate, agentId, attemptId, tokenHash: tokenHash(token), requestId };
    return [{ seat, token, take }];
  });
}
