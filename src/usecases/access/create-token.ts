import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { type AuditActor, BY_THE_SERVER } from '../../domain/audit.ts';
import { SAYS_NOTHING } from '../../domain/may-run.ts';
import type { Restriction } from '../../domain/restriction.ts';
import { newToken, type Scope, type Token, tokenHash } from '../../domain/token.ts';
import { insertPullAgent } from '../../store/agents.ts';
import type { Database } from '../../store/schema.ts';
import { insertToken } from '../../store/tokens.ts';
import { nameTaken } from '../agents/register-agent.ts';
import type { Deps } from '../deps.ts';
import { recordAct } from '../record-act.ts';

export type TokenRequest = {
  name: string;
  expiresInSeconds: number | null;
  restriction?: Restriction | null;
} & ({ scope: Exclude<Scope, 'agent'> } | { scope: 'agent'; agentName: string });

/**
 * Makes a token; its text is only in this answer. One of scope `agent` makes the pull agent that it is for, which is
 * offline until it calls, and to which what the token is restricted to goes over. Throws `name_taken` if an agent or a
 * host has that name.
 */
export async function createToken(
  deps: Deps,
  request: TokenRequest,
  by: AuditActor = BY_THE_SERVER,
): Promise<{ token: Token; secret: string }> {
  const { name, scope, expiresInSeconds, restriction = null } = request;
  const secret = newToken(scope);
  const token = await deps.db.transaction().execute(async (trx) => {
    const agentId = request.scope === 'agent' ? await addAgent(trx, deps, request.agentName, restriction) : null;
    const id = randomUUIDv7();
    const hash = tokenHash(secret);
    const made = await insertToken(trx, { id, name, scope, hash, agentId, expiresInSeconds, restriction });
    const data = { token_id: id, name, scope, agent_id: agentId, expires_at: made.expiresAt, restriction };
    await recordAct(trx, { type: 'token_created', actor: by, data });
    return made;
  });
  if (token.agentId !== null) deps.wakeups.emit({ kind: 'agents' });
  return { token, secret };
}

async function addAgent(
  trx: Transaction<Database>,
  deps: Deps,
  name: string,
  restriction: Restriction | null,
): Promise<string> {
  const id = randomUUIDv7();
  const { capacity } = deps.settings.execution;
  const agent = { id, name, labels: [], capacity, version: null, online: false, ...SAYS_NOTHING, restriction };
  const added = await insertPullAgent(trx, agent);
  if (!added) throw nameTaken(name);
  return id;
}
