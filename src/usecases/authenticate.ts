import { timingSafeEqual } from 'node:crypto';
import { AppError } from '../domain/errors.ts';
import { attemptOfToken, isWellFormedToken, type Principal, tokenHash } from '../domain/token.ts';
import { touchAgents } from '../store/leases.ts';
import { findTokensOfAttempts, findValidTokens, noteTokenUses, type TokenUse } from '../store/tokens.ts';
import { coalesce, type Settled } from './coalesce.ts';
import type { Deps } from './deps.ts';

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
/** Whether an address is in one of some networks. */
export type IsInNetworks = (address: string, networks: readonly string[]) => boolean;
export type AuthenticateOptions = { adminToken: string | null; isInNetworks: IsInNetworks };

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
  deps: Pick<Deps, 'hot' | 'wakeups'>,
  { adminToken, isInNetworks }: AuthenticateOptions,
): Authenticate {
  const adminHash = adminToken === null ? null : tokenHash(adminToken);
  const remembered = new Map<string, Remembered>();
  // What is revoked during a look must not be remembered after it.
  let revocations = 0;
  const find = coalesce((asked: readonly Asked[]) => owners(deps, isInNetworks, asked), { most: 500 });
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
    if (!isWellFormedToken(credential)) return null;
    const before = revocations;
    const untilMs = performance.now() + REMEMBERED_MS;
    const principal = await find({ hash, attemptId: attemptOfToken(credential), address });
    if (principal === null || before !== revocations) return here(principal, address);
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(key, { principal, untilMs });
    return here(principal, address);
  };
}

/** The hash of a token, the attempt that it names if it is one of an attempt, and from where it came. */
type Asked = { hash: Buffer; attemptId: string | null; address: string };

async function owners(
  deps: Pick<Deps, 'hot' | 'wakeups'>,
  isInNetworks: IsInNetworks,
  asked: readonly Asked[],
): Promise<Settled<Principal | null>[]> {
  const byHash = new Map<string, Principal>();
  await addTokens(
    deps,
    isInNetworks,
    asked.filter(({ attemptId }) => attemptId === null),
    byHash,
  );
  await addAttempts(
    deps,
    asked.flatMap(({ attemptId }) => attemptId ?? []),
    byHash,
  );
  return asked.map(({ hash }) => ({ value: byHash.get(hash.toString('base64')) ?? null }));
}

async function addTokens(
  deps: Pick<Deps, 'hot' | 'wakeups'>,
  isInNetworks: IsInNetworks,
  asked: readonly Asked[],
  byHash: Map<string, Principal>,
): Promise<void> {
  if (asked.length === 0) return;
  const tokens = await findValidTokens(
    deps.hot,
    asked.map(({ hash }) => hash),
  );
  // Who shows it from elsewhere is no sign of its agent's life.
  const isElsewhere = ({ hash, networks }: TokenUse) =>
    networks.length > 0 && !asked.some((one) => one.hash.equals(hash) && isInNetworks(one.address, networks));
  await noteUse(
    deps,
    tokens.filter((token) => !isElsewhere(token)),
  );
  for (const token of tokens) {
    const principal = principalOf(token);
    if (principal !== null) byHash.set(token.hash.toString('base64'), principal);
  }
}

async function addAttempts(
  deps: Pick<Deps, 'hot'>,
  ids: readonly string[],
  byHash: Map<string, Principal>,
): Promise<void> {
  if (ids.length === 0) return;
  for (const attempt of await findTokensOfAttempts(deps.hot, ids)) {
    byHash.set(attempt.token_hash.toString('base64'), {
      kind: 'attempt',
      attemptId: attempt.id,
      taskId: attempt.task_id,
      agentId: attempt.agent_id,
      executionMode: attempt.execution_mode,
      open: attempt.open,
      networks: attempt.networks,
    });
  }
}

function principalOf({ id, scope, name, agent_id, restriction, networks }: TokenUse): Principal | null {
  if (scope !== 'agent') return { kind: 'token', tokenId: id, scope, name, restriction };
  return agent_id === null ? null : { kind: 'agent', agentId: agent_id, tokenId: id, networks };
}

async function noteUse(
  { hot: db, wakeups }: Pick<Deps, 'hot' | 'wakeups'>,
  tokens: readonly TokenUse[],
): Promise<void> {
  const unnoted = tokens.filter((token) => token.unnoted).map(({ id }) => id);
  if (unnoted.length > 0) await noteTokenUses(db, unnoted);
  const unseen = tokens.flatMap((token) => (token.unseen && token.agent_id !== null ? [token.agent_id] : []));
  if (unseen.length > 0) await touchAgents(db, unseen);
  if (tokens.some((token) => token.offline)) wakeups.emit({ kind: 'agents' });
}
