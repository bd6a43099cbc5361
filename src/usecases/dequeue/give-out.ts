import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { newAttemptToken, tokenHash } from '../../domain/token.ts';
import { type Candidate, lockCandidates, type Take, takeTasks } from '../../store/claims.ts';
import type { AgentRow, Database, TaskRow } from '../../store/schema.ts';
import { takenTaskOf } from '../../store/tasks.ts';
import type { Deps } from '../deps.ts';
import { isFor } from './is-for.ts';
import { lookBehind } from './look-behind.ts';
import { type Ask, leased, type Taken } from './taken.ts';

type Trx = Transaction<Database>;

/** A transaction, and how to say that one more statement is all of it. */
export type Session = { trx: Trx; oneMore: () => void };

/** A claim never locks more tasks than this, however many are asked for. */
export const MOST_TASKS = 500;

/** One who asks, with what it may serve and gets. `agent` is null for one that takes nothing now. */
export type Seat = { ask: Ask; agent: AgentRow | null; promised: number; taken: Taken[] };

/** Locks what stands in front in these lanes. */
export function look(
  { trx }: Pick<Session, 'trx'>,
  { fronts }: Pick<Deps, 'fronts'>,
  agentIds: readonly string[],
  lanes: readonly number[],
  limit: number,
  window: number,
): Promise<Candidate[]> {
  const { heldByOthers = 0 } = WINDOWS[window] ?? {};
  const mode = 'http_pull';
  return lockCandidates(trx, { mode, agentIds, lanes, fronts: fronts.of(mode, lanes), limit, heldByOthers });
}

/**
 * How many tasks a look sees, and how many in front may be held by claims that run at the same moment. What not even the
 * second shows, since none of who asks may run what stands in front, is looked for behind it.
 */
const WINDOWS = [
  { tasks: (places: number) => places, heldByOthers: 32 },
  { tasks: (places: number) => places * 8, heldByOthers: 2 * MOST_TASKS },
];

/** What was looked at before it was known how many places they have. */
type Early = { candidates: readonly Candidate[]; lanes: ReadonlySet<number>; limit: number };

/** Gives out tasks until nobody wants more or there is none. Answers those that were locked for nothing. */
export async function giveOut(
  session: Session,
  deps: Deps,
  seats: readonly Seat[],
  free: Map<string, number>,
  early: Early | null,
): Promise<Candidate[]> {
  const { trx, oneMore } = session;
  const spare = new Map((early?.candidates ?? []).map((candidate) => [candidate.id, candidate]));
  let lastSeen: Candidate | undefined;
  // Tasks in front that none of them may take, or that other claims hold, may fill a window: again then with a larger.
  for (const [window, { tasks }] of WINDOWS.entries()) {
    const asking = seats.filter((seat) => wants(seat, free) > 0);
    const places = asking.reduce((sum, seat) => sum + wants(seat, free), 0);
    if (places === 0) break;
    const lanes = deps.lanes.servedBy(asking.flatMap(({ agent }) => agent ?? []));
    const isEnough = ({ lanes: seen, limit }: Early) => places <= limit && lanes.every((lane) => seen.has(lane));
    const known = window === 0 && early !== null && isEnough(early) ? early : null;
    const limit = known?.limit ?? Math.min(tasks(places), MOST_TASKS);
    const agentIds = [...new Set(asking.map(({ ask }) => ask.agentId))];
    const candidates = known?.candidates ?? (await look(session, deps, agentIds, lanes, limit, window));
    const given = match(candidates, asking, free);
    const satisfied = asking.every((seat) => wants(seat, free) === 0);
    const seenAll = given.length === candidates.length || candidates.length < limit;
    // The first window may be full of what claims hold that run at the same moment, and there is more behind.
    const isLast = satisfied || (seenAll && window > 0);
    if (isLast && given.length > 0) oneMore();
    await give(trx, deps, given);
    for (const candidate of candidates) spare.set(candidate.id, candidate);
    for (const { take } of given) spare.delete(take.candidate.id);
    lastSeen = isLast ? undefined : candidates.at(-1);
    if (isLast) break;
  }
  const left = lastSeen === undefined ? [] : await giveBehind(session, deps, seats, free, lastSeen);
  return [...spare.values(), ...left];
}

/** The same, behind all that was looked at, for those who were given nothing. Answers what was locked for nothing. */
async function giveBehind(
  { trx, oneMore }: Session,
  deps: Deps,
  seats: readonly Seat[],
  free: Map<string, number>,
  lastSeen: Candidate,
): Promise<Candidate[]> {
  const asking = seats.filter((seat) => seat.promised === 0 && wants(seat, free) > 0);
  if (asking.length === 0) return [];
  const agents = asking.flatMap(({ agent }) => agent ?? []);
  const candidates = await lookBehind(trx, deps, 'http_pull', agents, lastSeen);
  const given = match(candidates, asking, free);
  if (given.length > 0) oneMore();
  await give(trx, deps, given);
  const ids = new Set(given.map(({ take }) => take.candidate.id));
  return candidates.filter(({ id }) => !ids.has(id));
}

const wants = ({ ask, agent, promised }: Seat, free: ReadonlyMap<string, number>): number =>
  agent === null ? 0 : Math.max(0, Math.min(ask.maxTasks - promised, free.get(ask.agentId) ?? 0));

type Given = { seat: Seat; token: string; take: Take };

async function give(trx: Trx, deps: Deps, given: readonly Given[]): Promise<void> {
  if (given.length === 0) return;
  const opened = await takeTasks(
    trx,
    given.map(({ take }) => take),
    {
      mode: 'http_pull',
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
