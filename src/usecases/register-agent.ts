import { randomUUIDv7 } from 'node:crypto';
import { type AuditActor, BY_THE_SERVER } from '../domain/audit.ts';
import { AppError } from '../domain/errors.ts';
import type { Abilities } from '../domain/may-run.ts';
import { newToken, tokenHash } from '../domain/token.ts';
import { insertPullAgent } from '../store/agents.ts';
import { insertToken } from '../store/tokens.ts';
import type { Deps } from './deps.ts';
import { recordAct } from './record-act.ts';

export type Registration = Abilities & {
  name: string;
  labels: readonly string[];
  /** Null: as many as the settings say. */
  capacity: number | null;
  version: string | null;
};
export type Registered = { agentId: string; token: string };

/**
 * Makes a pull agent and its credential; it is online from now on. Throws `name_taken` if an agent or a host has the
 * name: the unique index decides when two register at once.
 */
export async function registerAgent(
  deps: Deps,
  { name, labels, capacity, version, limits, sandboxes, policy, restriction }: Registration,
  by: AuditActor = BY_THE_SERVER,
): Promise<Registered> {
  const agentId = randomUUIDv7();
  const token = newToken('agent');
  await deps.db.transaction().execute(async (trx) => {
    const added = await insertPullAgent(trx, {
      id: agentId,
      name,
      labels: [...labels],
      capacity: capacity ?? deps.settings.execution.capacity,
      version,
      limits,
      sandboxes,
      policy,
      restriction,
      online: true,
    });
    if (!added) throw nameTaken(name);
    const id = randomUUIDv7();
    const bounds = { agentId, expiresInSeconds: null, restriction };
    await insertToken(trx, { id, name, scope: 'agent', hash: tokenHash(token), ...bounds });
    const data = { agent_id: agentId, name, labels: [...labels], token_id: id, restriction };
    await recordAct(trx, { type: 'agent_registered', actor: by, data });
  });
  deps.wakeups.emit({ kind: 'agents' });
  return { agentId, token };
}

export const nameTaken = (name: string): AppError =>
  new AppError('name_taken', `An agent or a host with the name ${name} exists already.`);
