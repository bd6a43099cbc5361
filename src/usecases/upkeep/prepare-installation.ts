import { randomBytes, randomUUIDv7 } from 'node:crypto';
import { BY_THE_SERVER } from '../../domain/audit.ts';
import { newToken, tokenHash } from '../../domain/token.ts';
import { type Installation, lockInstallation, readInstallation } from '../../store/installation.ts';
import { hadAdminToken, insertToken } from '../../store/tokens.ts';
import type { Deps } from '../deps.ts';
import { recordAct } from '../record-act.ts';

export type { Installation };

/**
 * Makes what all replicas share, once per database. Where no admin token was ever made, and `keepAdminToken` is given,
 * it makes the first one and has it kept before the commit: if we die in between, the next start makes another. Answers
 * the token's text only to the one start that made it.
 */
export async function prepareInstallation(
  deps: Pick<Deps, 'db'>,
  keepAdminToken: ((token: string) => Promise<void>) | null,
): Promise<{ installation: Installation; adminToken: string | null }> {
  return deps.db.transaction().execute(async (trx) => {
    await lockInstallation(trx, { id: randomUUIDv7(), secret: randomBytes(32) });
    const installation = await readInstallation(trx);
    if (keepAdminToken === null || (await hadAdminToken(trx))) return { installation, adminToken: null };
    const adminToken = newToken('admin');
    const [id, name, scope] = [randomUUIDv7(), 'first admin token', 'admin'] as const;
    const bounds = { agentId: null, expiresInSeconds: null, restriction: null };
    await insertToken(trx, { id, name, scope, hash: tokenHash(adminToken), ...bounds });
    const data = { token_id: id, name, scope, agent_id: null, expires_at: null, restriction: null };
    await recordAct(trx, { type: 'token_created', actor: BY_THE_SERVER, data });
    await keepAdminToken(adminToken);
    return { installation, adminToken };
  });
}
