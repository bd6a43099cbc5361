import { timingSafeEqual } from 'node:crypto';
import { isWellFormedToken, type Principal, tokenHash } from '../domain/token.ts';
import { touchAgent } from '../store/leases.ts';
import { findAttemptOfToken, findValidToken, noteTokenUse } from '../store/tokens.ts';
import type { Deps } from './deps.ts';

/** Who the operator is, who set this variable beside the tokens in the database. */
export const ADMIN_BY_ENVIRONMENT = {
  kind: 'token',
  tokenId: 'TASKEJO_ADMIN_TOKEN',
  scope: 'admin',
  name: 'TASKEJO_ADMIN_TOKEN',
} as const satisfies Principal;

/**
 * Whose token this is, or null if it is nobody's: unknown, expired, revoked. Notes its use at most once a minute; of
 * an agent any use counts as a sign of life.
 */
export async function authenticate(
  deps: Pick<Deps, 'db' | 'wakeups'>,
  adminToken: string | null,
  credential: string,
): Promise<Principal | null> {
  const hash = tokenHash(credential);
  if (adminToken !== null && timingSafeEqual(hash, tokenHash(adminToken))) return ADMIN_BY_ENVIRONMENT;
  if (!isWellFormedToken(credential)) return null;
  return credential.startsWith('tkj_attempt_') ? attemptOf(deps, hash) : tokenOwner(deps, hash);
}

async function attemptOf({ db }: Pick<Deps, 'db'>, hash: Buffer): Promise<Principal | null> {
  const found = await findAttemptOfToken(db, hash);
  if (found === null || !timingSafeEqual(found.token_hash, hash)) return null;
  const { id, task_id, agent_id, execution_mode, open } = found;
  return { kind: 'attempt', attemptId: id, taskId: task_id, agentId: agent_id, executionMode: execution_mode, open };
}

async function tokenOwner({ db, wakeups }: Pick<Deps, 'db' | 'wakeups'>, hash: Buffer): Promise<Principal | null> {
  const found = await findValidToken(db, hash);
  if (found === null || !timingSafeEqual(found.hash, hash)) return null;
  if (found.unnoted) await noteTokenUse(db, found.id);
  if (found.scope !== 'agent') return { kind: 'token', tokenId: found.id, scope: found.scope, name: found.name };
  if (found.agent_id === null) return null;
  if (found.unseen) await touchAgent(db, found.agent_id);
  if (found.offline) wakeups.emit({ kind: 'agents' });
  return { kind: 'agent', agentId: found.agent_id, tokenId: found.id };
}
