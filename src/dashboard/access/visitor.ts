import type { Principal } from '../../domain/token.ts';
import { ownerOfToken } from '../../usecases/access/token-owner.ts';
import type { PageContext, Visitor } from '../deps.ts';
import { fromThisMachine } from './this-machine.ts';

type Owner = Extract<Principal, { kind: 'token' }>;

const SOMEBODY_HERE: Visitor = {
  name: 'this machine',
  mayAct: true,
  actor: { kind: 'coordinator', id: 'this machine' },
  restriction: null,
  signedIn: false,
};

/** The owner of a token as a visitor; null if such a token doesn't open these pages. */
export function visitorOf({ tokenId, scope, name, restriction }: Owner): Visitor | null {
  if (scope === 'register') return null;
  const actor = { kind: 'coordinator', id: tokenId } as const;
  return { name, mayAct: scope !== 'viewer', actor, restriction, signedIn: true };
}

/** Who asks for a page: whose session it is, as long as its token is good, or where that is allowed anybody here. */
export async function findVisitor(c: PageContext): Promise<Visitor | null> {
  const { deps, adminToken, openOnLoopback } = c.get('dashboard');
  const session = c.get('access').session(c);
  const owner = session && (await ownerOfToken(deps, adminToken !== null, session.tokenId));
  const visitor = owner && visitorOf(owner);
  return visitor ?? (openOnLoopback && fromThisMachine(c) ? SOMEBODY_HERE : null);
}
