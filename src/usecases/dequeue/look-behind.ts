import type { Transaction } from 'kysely';
import type { Asking, Candidate } from '../../store/claims.ts';
import { candidatesBehind, type FarCandidate, lockThese, type Spot } from '../../store/far-candidates.ts';
import type { AgentRow, Database } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';
import { isFor } from './is-for.ts';

/** Tasks read at once, and how often in one claim. */
const PAGE = 500;
const PAGES = 3;
/** Of the finds, so many begin anew. */
const ANEW = 1 / 16;

/**
 * What one of these agents may run of the tasks behind those in front, of which it may run none: what it refuses, or is
 * not for, stays in front for as long as nobody else comes for it, however much of it there is. Reads on, without locks,
 * and locks what is worth it; beyond the first page it goes on where these agents have come to, as the next claim will. Now and then that begins
 * anew, for what came in between meanwhile.
 */
export async function lookBehind(
  trx: Transaction<Database>,
  { lanes, farLooks, random }: Pick<Deps, 'lanes' | 'farLooks' | 'random'>,
  mode: Asking['mode'],
  agents: readonly AgentRow[],
  lastSeen: Spot,
): Promise<Candidate[]> {
  const agentIds = [...new Set(agents.map(({ id }) => id))];
  const asking = { mode, agentIds, lanes: lanes.servedBy(agents), limit: PAGE };
  const fits = judge(agents);
  let spot: Spot | null = lastSeen;
  for (let page = 0; page < PAGES && spot !== null; page++) {
    if (page === 1) spot = farLooks.from(agentIds, spot);
    const seen = await candidatesBehind(trx, asking, spot);
    const fitting = seen.filter(fits).map(({ id }) => id);
    const found = fitting.length === 0 ? [] : await lockThese(trx, { mode }, fitting);
    if (found.length > 0) {
      if (page > 0) farLooks.note(agentIds, random() < ANEW ? null : spot);
      return found;
    }
    spot = seen.length < PAGE ? null : (seen.at(-1) ?? null);
  }
  farLooks.note(agentIds, spot);
  return [];
}

/** Whether one of them may run a task. Many agents are alike, and then it is asked of one of them. */
function judge(agents: readonly AgentRow[]): (task: FarCandidate) => boolean {
  const alike = ({ labels, limits, sandboxes, policy, restriction }: AgentRow) =>
    JSON.stringify([labels, limits, sandboxes, policy, restriction]);
  const oneOfEach = [...new Map(agents.map((agent) => [alike(agent), agent])).values()];
  return (task) => {
    const isForAny = task.named_agent_id === null && task.avoided.length === 0;
    return (isForAny ? oneOfEach : agents).some((agent) => isFor(task, agent));
  };
}
