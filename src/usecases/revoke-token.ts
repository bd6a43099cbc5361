import { notFound } from '../domain/errors.ts';
import { revokeToken as revokeRow } from '../store/tokens.ts';
import type { Deps } from './deps.ts';

/** From now on the token is refused. Throws `not_found` if there is none, or it was revoked before. */
export async function revokeToken(deps: Deps, id: string): Promise<void> {
  if (!(await revokeRow(deps.db, id))) throw notFound('token');
  deps.wakeups.emit({ kind: 'tokens' });
}
