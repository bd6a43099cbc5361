import { lockAgentToDelete } from '../../store/agents.ts';
import { loseAttempts } from '../attempt/end-attempt.ts';
import type { Deps } from '../deps.ts';
import { retire } from './delete-agent.ts';

/**
 * An agent leaves: it takes nothing from now on, its credential ends, its open attempts end as lost at once. Should
 * we die between the two, those attempts end with their leases.
 */
export async function leave(deps: Deps, agentId: string): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    const row = await lockAgentToDelete(trx, agentId);
    if (row !== null) await retire(trx, row, { kind: 'agent', id: agentId, scope: 'agent' });
  });
  deps.wakeups.emit({ kind: 'tokens' });
  await loseAttempts(deps, agentId);
  deps.wakeups.emit({ kind: 'agents' });
}
