import type { Transaction } from 'kysely';
import { type EndingThere, ISOLATING_FAILURES, isolates, judge, ownFailures } from '../domain/isolation.ts';
import { lockAgents } from '../store/claims.ts';
import { isolate, letBack, letBackPullAgents, setOwnFailures } from '../store/isolation.ts';
import type { AgentRow, Database } from '../store/schema.ts';
import type { Deps } from './deps.ts';

/** How an attempt ended that has just been ended. */
export type EndedAttempt = EndingThere & { agentId: string };

/** Whether an ending can change what is thought of its agent, given whether tasks had failed there before. */
export const isWorthJudging = (ended: Omit<EndingThere, 'taskId'>, failedBefore: boolean): boolean => {
  const judgement = judge(ended);
  return judgement === 'own_fault' || (judgement === 'works' && failedBefore);
};

/**
 * Isolates agents on which tasks fail one after the other for causes of the agents' own. Called after the transaction
 * that ended the attempts: agents are locked before tasks, so it can't be done there. Should we die in between, an ending
 * isn't counted, and the next ones decide. Endings are in the order in which they happened.
 */
export async function judgeAgents(deps: Deps, ended: readonly EndedAttempt[]): Promise<void> {
  const byAgent = Map.groupBy(ended, ({ agentId }) => agentId);
  if (byAgent.size === 0) return;
  const isolated = await deps.db.transaction().execute(async (trx) => {
    const agents = await lockAgents(trx, [...byAgent.keys()]);
    let count = 0;
    for (const agent of agents) if (await judgeOne(trx, agent, byAgent.get(agent.id) ?? [])) count++;
    return count;
  });
  if (isolated > 0) deps.wakeups.emit({ kind: 'agents' });
}

/** Under the agent's lock. Answers whether it is isolated now; one that is cordoned already can't be any more so. */
async function judgeOne(
  trx: Transaction<Database>,
  agent: AgentRow,
  endings: readonly EndingThere[],
): Promise<boolean> {
  const failures = ownFailures(agent.own_failures, endings);
  if (failures.join() !== agent.own_failures.join()) await setOwnFailures(trx, agent.id, failures);
  if (agent.cordoned || agent.deleted_at !== null || !isolates(failures)) return false;
  const last = endings.findLast((ending) => judge(ending) === 'own_fault');
  if (last === undefined) return false;
  const cause = last.error ?? last.failureClass ?? last.outcome;
  await isolate(trx, agent.id, `${ISOLATING_FAILURES} tasks in a row failed here, the last one with: ${cause}`);
  return true;
}

/** So long a pull agent stays isolated, unless it starts anew or a person lets it back. */
export const ISOLATED_SECONDS = 600;

/** Lets back the agents that pull whose time is over; answers how many. */
export async function endIsolation(deps: Deps): Promise<number> {
  const back = await letBackPullAgents(deps.db, ISOLATED_SECONDS);
  if (back > 0) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  return back;
}

/** An agent has shown that it may work again: a host by a good probe, one that pulls by a new start. */
export async function letAgentBack(deps: Deps, agentId: string): Promise<boolean> {
  const was = await letBack(deps.db, agentId);
  if (was) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  return was;
}
