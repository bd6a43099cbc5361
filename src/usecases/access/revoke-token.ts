import { type AuditActor, BY_THE_SERVER } from '../../domain/audit.ts';
import { notFound } from '../../domain/errors.ts';
import { revokeToken as revokeRow } from '../../store/tokens.ts';
import type { Deps } from '../deps.ts';
import { recordAct } from '../record-act.ts';

/** From now on the token is refused. Throws `not_found` if there is none, or it was revoked before. */
export async function revokeToken(deps: Deps, id: string, by: AuditActor = BY_THE_SERVER): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    if (!(await revokeRow(trx, id))) throw notFound('token');
    await recordAct(trx, { type: 'token_revoked', actor: by, data: { token_id: id } });
  });
  deps.wakeups.emit({ kind: 'tokens' });
}
