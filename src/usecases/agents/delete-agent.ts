import type { Transaction } from 'kysely';
import { type AuditActor, BY_THE_SERVER } from '../../domain/audit.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { lockAgentToDelete, markAgentDeleted } from '../../store/agents.ts';
import type { AgentRow, Database } from '../../store/schema.ts';
import { revokeTokensOfAgent } from '../../store/tokens.ts';
import { unnameTasks } from '../attempt/unname-tasks.ts';
import type { Deps } from '../deps.ts';
import { recordAct } from '../record-act.ts';

/**
 * Takes a pull agent out of service: its credential ends, its name is free, pending tasks that name it name nobody.
 * Its open attempts live on their leases. Throws `not_found`, and `configured_in_file` for a host.
 */
export async function deleteAgent(deps: Deps, id: string, by: AuditActor = BY_THE_SERVER): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    const row = await lockAgentToDelete(trx, id);
    if (row === null) throw notFound('agent');
    if (row.execution_mode === 'ssh_cli') {
      throw new AppError('configured_in_file', 'A host is deleted in the configuration file.');
    }
    await retire(trx, row, by);
  });
  deps.wakeups.emit({ kind: 'tokens' }, { kind: 'agents' }, { kind: 'ready' });
}

/** For an agent whose row is locked: a claim that waits for the row finds it deleted and takes nothing. */
export async function retire(
  trx: Transaction<Database>,
  { id, name }: Pick<AgentRow, 'id' | 'name'>,
  by: AuditActor,
): Promise<void> {
  await markAgentDeleted(trx, id);
  await revokeTokensOfAgent(trx, id);
  await unnameTasks(trx, id);
  await recordAct(trx, { type: 'agent_deleted', actor: by, data: { agent_id: id, name } });
}
