import { randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { SAYS_NOTHING } from '../domain/may-run.ts';
import { newToken, type Scope, type Token, tokenHash } from '../domain/token.ts';
import { insertPullAgent } from '../store/agents.ts';
import type { Database } from '../store/schema.ts';
import { insertToken } from '../store/tokens.ts';
import type { Deps } from './deps.ts';
import { nameTaken } from './register-agent.ts';

export type TokenRequest = {
  name: string;
  expiresInSeconds: number | null;
} & ({ scope: Exclude<Scope, 'agent'> } | { scope: 'agent'; agentName: string });

/**
 * Makes a token; its text is only in this answer. One of scope `agent` makes the pull agent that it is for, which is
 * offline until it calls. Throws `name_taken` if an agent or a host has that name.
 */
export async function createToken(deps: Deps, request: TokenRequest): Promise<{ token: Token; secret: string }> {
  const { name, scope, expiresInSeconds } = request;
  const secret = newToken(scope);
  const token = await deps.db.transaction().execute(async (trx) => {
    const agentId = request.scope === 'agent' ? await addAgent(trx, deps, request.agentName) : null;
    const id = randomUUIDv7();
    return insertToken(trx, { id, name, scope, hash: tokenHash(secret), agentId, expiresInSeconds });
  });
  if (token.agentId !== null) deps.wakeups.emit({ kind: 'agents' });
  return { token, secret };
}

async function addAgent(trx: Transaction<Database>, deps: Deps, name: string): Promise<string> {
  const id = randomUUIDv7();
  const { capacity } = deps.settings.execution;
  const agent = { id, name, labels: [], capacity, version: null, online: false, ...SAYS_NOTHING };
  const added = await insertPullAgent(trx, agent);
  if (!added) throw nameTaken(name);
  return id;
}
