import type { Principal } from '../../domain/token.ts';
import { isUuid } from '../../domain/uuid.ts';
import { findValidTokenById } from '../../store/tokens.ts';
import type { Deps } from '../deps.ts';
import { ADMIN_BY_ENVIRONMENT } from './authenticate.ts';

export { ADMIN_BY_ENVIRONMENT };

type Owner = Extract<Principal, { kind: 'token' }>;

/**
 * Whose token this is, by its id; null as soon as it is revoked or has expired, and for one of an agent. `operators`
 * says whether the operator has set one.
 */
export async function ownerOfToken(deps: Pick<Deps, 'db'>, operators: boolean, tokenId: string): Promise<Owner | null> {
  if (tokenId === ADMIN_BY_ENVIRONMENT.tokenId) return operators ? ADMIN_BY_ENVIRONMENT : null;
  const found = isUuid(tokenId) ? await findValidTokenById(deps.db, tokenId) : null;
  if (found === null || found.scope === 'agent') return null;
  return { kind: 'token', tokenId: found.id, scope: found.scope, name: found.name, restriction: found.restriction };
}
