import type { Principal } from '../domain/token.ts';
import { findValidTokenById } from '../store/tokens.ts';
import type { Deps } from './deps.ts';

type Owner = Extract<Principal, { kind: 'token' }>;

/** Whose token this is, by its id; null as soon as it is revoked or has expired, and for one of an agent. */
export async function ownerOfToken(deps: Pick<Deps, 'db'>, tokenId: string): Promise<Owner | null> {
  const found = await findValidTokenById(deps.db, tokenId);
  if (found === null || found.scope === 'agent') return null;
  return { kind: 'token', tokenId: found.id, scope: found.scope, name: found.name };
}
