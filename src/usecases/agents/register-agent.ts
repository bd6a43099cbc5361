import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { type AuditActor, BY_THE_SERVER } from '../../domain/audit.ts';
import { AppError } from '../../domain/errors.ts';
import type { Abilities } from '../../domain/may-run.ts';
import { isSignedBy, type SignedToken } from '../../domain/signed-token.ts';
import { newToken, tokenHash } from '../../domain/token.ts';
import { endTokensSoon, lockAgentByName, setTold } from '../../store/agent-keys.ts';
import { insertPullAgent } from '../../store/agents.ts';
import type { Database } from '../../store/schema.ts';
import { insertToken } from '../../store/tokens.ts';
import type { Deps } from '../deps.ts';
import { recordAct } from '../record-act.ts';

export type Registration = Abilities & {
  name: string;
  labels: readonly string[];
  /** Null: as many as the settings say. */
  capacity: number | null;
  version: string | null;
  /** Null: none, or as it was. */
  publicKey: string | null;
};
export type Registered = { agentId: string; token: string; isNew: boolean };

/** Who registers again may need its old token until it has the new one's answer. */
const OLD_TOKEN_SECONDS = 600;

/**
 * Makes a pull agent and its credential; it is online from now on. Whoever proves by the key of the agent that has the
 * name that it is that agent is given another credential, and is as it says now. Throws `name_taken` if another agent
 * or a host has the name: the unique index decides when two register at once.
 */
export async function registerAgent(
  deps: Deps,
  registration: Registration,
  { by = BY_THE_SERVER, proof = null }: { by?: AuditActor; proof?: SignedToken | null } = {},
): Promise<Registered> {
  const token = newToken('agent');
  const { agentId, isNew } = await deps.db.transaction().execute(async (trx) => {
    const { name, labels, restriction } = registration;
    const made = await addAgent(trx, deps, registration);
    const agentId = made ?? (await changeProven(trx, deps, registration, proof));
    if (agentId === null) throw nameTaken(name);
    const id = randomUUIDv7();
    const bounds = { agentId, expiresInSeconds: null, restriction };
    await insertToken(trx, { id, name, scope: 'agent', hash: tokenHash(token), ...bounds });
    const data = { agent_id: agentId, name, labels: [...labels], token_id: id, restriction };
    await recordAct(trx, { type: made === null ? 'agent_changed' : 'agent_registered', actor: by, data });
    return { agentId, isNew: made !== null };
  });
  // How long its old tokens are good is something else now, and so may be what it can take.
  if (!isNew) deps.wakeups.emit({ kind: 'tokens' }, { kind: 'place', agentId }, { kind: 'ready' });
  deps.wakeups.emit({ kind: 'agents' });
  return { agentId, token, isNew };
}

/** Null: the name is taken. */
async function addAgent(trx: Transaction<Database>, deps: Deps, registration: Registration): Promise<string | null> {
  const id = randomUUIDv7();
  const { labels, capacity } = registration;
  const added = await insertPullAgent(trx, {
    ...registration,
    id,
    labels: [...labels],
    capacity: capacity ?? deps.settings.execution.capacity,
    online: true,
  });
  return added ? id : null;
}

/** Null: who asks isn't the agent of this name. */
async function changeProven(
  trx: Transaction<Database>,
  deps: Deps,
  registration: Registration,
  proof: SignedToken | null,
): Promise<string | null> {
  const { name, capacity, publicKey, restriction, ...told } = registration;
  if (proof?.claims.sub !== name) return null;
  const row = await lockAgentByName(trx, name);
  if (row === null || row.public_key === null || !isSignedBy(proof, row.public_key)) return null;
  await setTold(trx, row.id, {
    ...told,
    capacity: capacity ?? deps.settings.execution.capacity,
    public_key: publicKey ?? row.public_key,
    restriction,
  });
  await endTokensSoon(trx, row.id, OLD_TOKEN_SECONDS);
  return row.id;
}

export const nameTaken = (name: string): AppError =>
  new AppError('name_taken', `An agent or a host with the name ${name} exists already.`);
