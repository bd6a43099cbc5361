import type { Agent } from '../../domain/agent.ts';
import { type AuditActor, BY_THE_SERVER } from '../../domain/audit.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { type AgentPatch, changeAgent, findAgent, lockAgent } from '../../store/agents.ts';
import { letBack } from '../../store/isolation.ts';
import type { AgentRow } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';
import { recordAct } from '../record-act.ts';

export type AgentChange = {
  labels?: readonly string[] | undefined;
  capacity?: number | undefined;
  cordoned?: boolean | undefined;
  cordonReason?: string | null | undefined;
  draining?: boolean | undefined;
  allowedNetworks?: readonly string[] | undefined;
};

/**
 * Changes what was given. Throws `not_found`, and `configured_in_file` for the labels or capacity of a host. An
 * agent that is let back has no reason any more; one that was isolated is, if cordoned again, so by a person.
 */
export async function patchAgent(
  deps: Deps,
  id: string,
  change: AgentChange,
  by: AuditActor = BY_THE_SERVER,
): Promise<Agent> {
  const agent = await deps.db.transaction().execute(async (trx) => {
    const row = await lockAgent(trx, id);
    if (row === null) throw notFound('agent');
    const patch = patchOf(row, change);
    if (change.cordoned !== undefined) await letBack(trx, id);
    if (Object.keys(patch).length > 0) {
      await changeAgent(trx, id, patch);
      await recordAct(trx, { type: 'agent_changed', actor: by, data: { agent_id: id, ...patch } });
    }
    return findAgent(trx, id);
  });
  if (agent === null) throw notFound('agent');
  // Its credential may be good from other places now.
  if (change.allowedNetworks !== undefined) deps.wakeups.emit({ kind: 'tokens' });
  deps.wakeups.emit({ kind: 'agents' }, { kind: 'place', agentId: id }, { kind: 'ready' });
  return agent;
}

function patchOf(row: AgentRow, change: AgentChange): AgentPatch {
  const { labels, capacity, cordoned, cordonReason, draining, allowedNetworks } = change;
  if (row.execution_mode === 'ssh_cli' && (labels !== undefined || capacity !== undefined)) {
    throw new AppError('configured_in_file', 'Labels and capacity of a host are set in the configuration file.');
  }
  const reason = (cordoned ?? row.cordoned) ? cordonReason : null;
  return {
    ...(labels === undefined ? {} : { labels: [...labels] }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(cordoned === undefined ? {} : { cordoned }),
    ...(reason === undefined ? {} : { cordon_reason: reason }),
    ...(draining === undefined ? {} : { draining }),
    ...(allowedNetworks === undefined ? {} : { allowed_networks: [...allowedNetworks] }),
  };
}
