import { timingSafeEqual } from 'node:crypto';
import { isWellFormedToken, type Principal, tokenHash } from '../domain/token.ts';
import { touchAgents } from '../store/leases.ts';
import { findAttemptsOfTokens, findValidTokens, noteTokenUses, type TokenUse } from '../store/tokens.ts';
import { coalesce, type Settled } from './coalesce.ts';
import type { Deps } from './deps.ts';

/** Who the operator is, who set this variable beside the tokens in the database. */
export const ADMIN_BY_ENVIRONMENT = {
  kind: 'token',
  tokenId: 'TASKEJO_ADMIN_TOKEN',
  scope: 'admin',
  name: 'TASKEJO_ADMIN_TOKEN',
} as const satisfies Principal;

/** Whose token this is, or null if it is nobody's: unknown, expired, revoked. */
export type Authenticate = (credential: string) => Promise<Principal | null>;

/**
 * A good token is remembered for this long. One that is revoked is forgotten at once, on other replicas within some
 * 10 ms; only where that word is lost it may be good for so much longer.
 */
const REMEMBERED_MS = 1_000;
const MOST_REMEMBERED = 50_000;

type Remembered = { principal: Principal; untilMs: number };

/**
 * Looks tokens up, those that come together with one statement. Notes their use at most once a minute; of an agent any
 * use counts as a sign of life.
 */
export function createAuthenticate(deps: Pick<Deps, 'db' | 'wakeups'>, adminToken: string | null): Authenticate {
  const adminHash = adminToken === null ? null : tokenHash(adminToken);
  const remembered = new Map<string, Remembered>();
  // What is revoked during a look must not be remembered after it.
  let revocations = 0;
  const find = coalesce((hashes: readonly Buffer[]) => owners(deps, hashes), { most: 500, atOnce: 2 });
  deps.wakeups.subscribe((hint) => {
    if (hint.kind !== 'tokens' && hint.kind !== 'missed') return;
    revocations += 1;
    remembered.clear();
  });

  return async (credential) => {
    const hash = tokenHash(credential);
    if (adminHash !== null && timingSafeEqual(hash, adminHash)) return ADMIN_BY_ENVIRONMENT;
    const key = hash.toString('base64');
    const known = remembered.get(key);
    if (known !== undefined && known.untilMs > performance.now()) return known.principal;
    if (!isWellFormedToken(credential)) return null;
    const before = revocations;
    const untilMs = performance.now() + REMEMBERED_MS;
    const principal = await find(hash);
    if (principal === null || before !== revocations) return principal;
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(key, { principal, untilMs });
    return principal;
  };
}

async function owners(
  deps: Pick<Deps, 'db' | 'wakeups'>,
  hashes: readonly Buffer[],
): Promise<Settled<Principal | null>[]> {
  const [tokens, attempts] = await Promise.all([
    findValidTokens(deps.db, hashes),
    findAttemptsOfTokens(deps.db, hashes),
  ]);
  await noteUse(deps, tokens);
  const byHash = new Map<string, Principal>();
  for (const token of tokens) {
    const principal = principalOf(token);
    if (principal !== null) byHash.set(token.hash.toString('base64'), principal);
  }
  for (const { id, task_id, agent_id, execution_mode, open, token_hash } of attempts) {
    byHash.set(token_hash.toString('base64'), {
      kind: 'attempt',
      attemptId: id,
      taskId: task_id,
      agentId: agent_id,
      executionMode: execution_mode,
      open,
    });
  }
  return hashes.map((hash) => ({ value: byHash.get(hash.toString('base64')) ?? null }));
}

function principalOf({ id, scope, name, agent_id }: TokenUse): Principal | null {
  if (scope !== 'agent') return { kind: 'token', tokenId: id, scope, name };
  return agent_id === null ? null : { kind: 'agent', agentId: agent_id, tokenId: id };
}

async function noteUse({ db, wakeups }: Pick<Deps, 'db' | 'wakeups'>, tokens: readonly TokenUse[]): Promise<void> {
  const unnoted = tokens.filter((token) => token.unnoted).map(({ id }) => id);
  if (unnoted.length > 0) await noteTokenUses(db, unnoted);
  const unseen = tokens.flatMap((token) => (token.unseen && token.agent_id !== null ? [token.agent_id] : []));
  if (unseen.length > 0) await touchAgents(db, unseen);
  if (tokens.some((token) => token.offline)) wakeups.emit({ kind: 'agents' });
}
