import type { Transaction } from 'kysely';
import {
  type EndingThere,
  ISOLATING_FAILURES,
  isolates,
  type Judgement,
  judge,
  ownFailures,
} from '../../domain/isolation.ts';
import { lockAgents } from '../../store/claims.ts';
import { agentsWithFailures, isolate, letBack, letBackPullAgents, setOwnFailures } from '../../store/isolation.ts';
import type { AgentRow, Database } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';

/** How an attempt ended that has just been ended. */
export type EndedAttempt = EndingThere & { agentId: string };

/**
 * Isolates agents on which tasks fail one after the other for causes of the agents' own. Called after the transaction
 * that ended the attempts: agents are locked before tasks, so it can't be done there. Should we die in between, an ending
 * isn't counted, and the next ones decide. Endings are in the order in which they happened; where all is well, this is
 * one look at the agents' rows.
 */
export async function judgeAgents(deps: Deps, ended: readonly EndedAttempt[]): Promise<void> {
  const doubted = await doubtedAgents(deps, ended);
  if (doubted.size === 0) return;
  const byAgent = Map.groupBy(ended, ({ agentId }) => agentId);
  const isolated = await deps.db.transaction().execute(async (trx) => {
    let count = 0;
    for (const agent of await lockAgents(trx, [...doubted])) {
      if (await judgeOne(trx, agent, byAgent.get(agent.id) ?? [])) count++;
    }
    return count;
  });
  if (isolated > 0) deps.wakeups.emit({ kind: 'agents' });
}

/** Those on which something failed now for a cause of their own, and those that work now, and on which it had before. */
async function doubtedAgents(deps: Deps, ended: readonly EndedAttempt[]): Promise<Set<string>> {
  const agentsOf = (judgement: Judgement) =>
    ended.filter((one) => judge(one) === judgement).map(({ agentId }) => agentId);
  const working = agentsOf('works');
  return new Set([...agentsOf('own_fault'), ...(await agentsWithFailures(deps.db, working))]);
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
const ISOLATED_SECONDS = 600;

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
