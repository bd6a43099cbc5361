import type { Transaction } from 'kysely';
import { newAttemptToken, tokenHash } from '../../domain/token.ts';
import { attemptsOfRequests, setAttemptToken } from '../../store/attempts.ts';
import { renewLeases } from '../../store/leases.ts';
import type { Database } from '../../store/schema.ts';
import { findTasksOfAttempts } from '../../store/tasks.ts';
import type { Deps } from '../deps.ts';
import { type Ask, leased, type Taken } from './taken.ts';

export type Earlier = Awaited<ReturnType<typeof attemptsOfRequests>>;

/**
 * What earlier requests under the same ids took. Looked for each time, because the earlier one may still be waiting when
 * it is repeated, and take something then that nobody is told of.
 */
export async function takenEarlier(trx: Transaction<Database>, asks: readonly Ask[]): Promise<Earlier> {
  const named = asks.flatMap(({ agentId, requestId }) => (requestId === null ? [] : [{ agentId, requestId }]));
  return named.length === 0 ? [] : attemptsOfRequests(trx, named);
}

/**
 * What of it is still open, as its answer was lost, by the place of the ask: fresh leases, new tokens. Where all of it is
 * over, nothing: the repeat may be a late copy that nobody waits for. All of it within the claim: what failed after its
 * commit would take what others were given with it.
 */
export async function leaseAgain(
  trx: Transaction<Database>,
  deps: Pick<Deps, 'settings'>,
  asks: readonly Ask[],
  earlier: Earlier,
): Promise<Map<number, Taken[]>> {
  if (earlier.length === 0) return new Map();
  const open = earlier.filter((one) => one.open);
  const tokens = new Map(open.map(({ id }) => [id, newAttemptToken(id)]));
  const agentIds = [...new Set(open.map((one) => one.agent_id))];
  await renewLeases(trx, { agentIds }, [...tokens.keys()], deps.settings.leases.seconds);
  for (const [id, token] of tokens) await setAttemptToken(trx, id, tokenHash(token));
  const taken = (await findTasksOfAttempts(trx, [...tokens.keys()])).map((task) =>
    leased(deps, task, tokens.get(task.attempt?.id ?? '') ?? ''),
  );
  const again = new Map<number, Taken[]>();
  for (const [index, { agentId, requestId }] of asks.entries()) {
    const own = earlier.filter((one) => one.agent_id === agentId && one.request_id === requestId);
    const ids = new Set(own.map(({ id }) => id));
    if (own.length > 0)
      again.set(
        index,
        taken.filter(({ attempt }) => ids.has(attempt.id)),
      );
  }
  return again;
}
