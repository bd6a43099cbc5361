import type { Transaction } from 'kysely';
import type { Asking, Candidate } from '../../store/claims.ts';
import { candidatesBehind, type FarCandidate, lockThese, type Spot } from '../../store/far-candidates.ts';
import type { AgentRow, Database } from '../../store/schema.ts';
import { databaseTime } from '../../store/task-changes.ts';
import { inOrder } from '../../store/transact.ts';
import type { Deps } from '../deps.ts';
import { isFor } from './is-for.ts';

/** Tasks read at once, and how often in one claim. */
const PAGE = 500;
const PAGES = 4;

/**
 * What one of these agents may run of the tasks behind those in front, of which it may run none: what it refuses, or is
 * not for, stays in front for as long as nobody else comes for it, however much of it there is. Reads on without locks,
 * from where these agents have come to; the next claim goes on there.
 */
export async function lookBehind(
  trx: Transaction<Database>,
  { lanes, farLooks }: Pick<Deps, 'lanes' | 'farLooks'>,
  mode: Asking['mode'],
  agents: readonly AgentRow[],
  front: Spot,
): Promise<{ candidates: Candidate[] /** After they were locked. */; at: string }> {
  const agentIds = [...new Set(agents.map(({ id }) => id))];
  const asking = { mode, agentIds, lanes: lanes.servedBy(agents), limit: PAGE };
  const fits = judge(agents);
  let spot: Spot | null = farLooks.from(agentIds, front);
  let found: string[] = [];
  for (let page = 0; page < PAGES && spot !== null; page++) {
    const seen = await candidatesBehind(trx, asking, spot);
    found = seen.filter(fits).map(({ id }) => id);
    if (found.length > 0) break;
    spot = seen.length < PAGE ? null : (seen.at(-1) ?? null);
  }
  farLooks.note(agentIds, spot);
  if (found.length === 0) return { candidates: [], at: '' };
  const [candidates, at] = await inOrder(lockThese(trx, { mode }, found), databaseTime(trx));
  return { candidates, at };
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
