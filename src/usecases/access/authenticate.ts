import { timingSafeEqual } from 'node:crypto';
import { AppError } from '../../domain/errors.ts';
import { type Claims, isInForce, readSignedToken } from '../../domain/signed-token.ts';
import { attemptOfToken, isWellFormedToken, type Principal, tokenHash } from '../../domain/token.ts';
import { coalesce } from '../coalesce.ts';
import type { Deps } from '../deps.ts';
import { type Asked, findPrincipals, type IsInNetworks } from './find-principals.ts';

/** Who the operator is, who set this variable beside the tokens in the database. */
export const ADMIN_BY_ENVIRONMENT = {
  kind: 'token',
  tokenId: 'TASKEJO_ADMIN_TOKEN',
  scope: 'admin',
  name: 'TASKEJO_ADMIN_TOKEN',
  restriction: null,
} as const satisfies Principal;

/**
 * Whose token this is, or null if it is nobody's: unknown, expired, revoked. Throws `address_not_allowed` for one of an
 * agent, or of its attempts, that calls from elsewhere than it may.
 */
export type Authenticate = (credential: string, address: string) => Promise<Principal | null>;

export type AuthenticateOptions = {
  adminToken: string | null;
  isInNetworks: IsInNetworks;
  /** For whom agents sign their tokens, and by which clock: the one that answers tell. */
  installationId: string;
  clockMs: () => number;
};

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
export function createAuthenticate(
  deps: Pick<Deps, 'hot' | 'wakeups' | 'settings'>,
  { adminToken, isInNetworks, installationId, clockMs }: AuthenticateOptions,
): Authenticate {
  const adminHash = adminToken === null ? null : tokenHash(adminToken);
  const remembered = new Map<string, Remembered>();
  // What is revoked during a look must not be remembered after it.
  let revocations = 0;
  const find = coalesce((asked: readonly Asked[]) => findPrincipals(deps, isInNetworks, asked), { most: 500 });
  deps.wakeups.subscribe((hint) => {
    if (hint.kind !== 'tokens' && hint.kind !== 'missed') return;
    revocations += 1;
    remembered.clear();
  });

  const here = <P extends Principal | null>(principal: P, address: string): P => {
    if (principal === null || !('networks' in principal)) return principal;
    if (principal.networks.length === 0 || isInNetworks(address, principal.networks)) return principal;
    throw new AppError('address_not_allowed', `The agent may not call from ${address}.`);
  };

  return async (credential, address) => {
    const hash = tokenHash(credential);
    if (adminHash !== null && timingSafeEqual(hash, adminHash)) return ADMIN_BY_ENVIRONMENT;
    const key = hash.toString('base64');
    const known = remembered.get(key);
    if (known !== undefined && known.untilMs > performance.now()) return here(known.principal, address);
    const isPlain = isWellFormedToken(credential);
    const signed = isPlain ? null : readSignedToken(credential);
    if (!isPlain && (signed === null || !isInForce(signed.claims, installationId, clockMs()))) return null;
    const before = revocations;
    const untilMs = performance.now() + rememberedMs(signed?.claims ?? null, clockMs());
    const principal = await find({ hash, attemptId: attemptOfToken(credential), signed, address });
    if (principal === null || before !== revocations) return here(principal, address);
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(key, { principal, untilMs });
    return here(principal, address);
  };
}

const rememberedMs = (claims: Claims | null, nowMs: number): number =>
  claims === null ? REMEMBERED_MS : Math.min(REMEMBERED_MS, claims.exp * 1000 - nowMs);
