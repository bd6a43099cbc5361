import { timingSafeEqual } from 'node:crypto';
import { AppError } from '../../domain/errors.ts';
import { type Claims, isInForce, readSignedToken, type SignedToken } from '../../domain/signed-token.ts';
import { attemptOfToken, isWellFormedToken, type Principal, tokenHash } from '../../domain/token.ts';
import type { AgentKey } from '../../store/agent-keys.ts';
import { touchAgents } from '../../store/leases.ts';
import { findTokensOfAttempts, findValidTokens, noteTokenUses, type TokenUse } from '../../store/tokens.ts';
import { coalesce, type Settled } from '../coalesce.ts';
import type { Deps } from '../deps.ts';
import { findSigners } from './find-signers.ts';

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
  deps: Pick<Deps, 'hot' | 'wakeups'>,
  { adminToken, isInNetworks, installationId, clockMs }: AuthenticateOptions,
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

/**
 * The hash of a token, the attempt that it names if it is one of an attempt, what it says if an agent signed it, and
 * from where it came.
 */
type Asked = { hash: Buffer; attemptId: string | null; signed: SignedToken | null; address: string };

async function owners(
  deps: Pick<Deps, 'hot' | 'wakeups'>,
  isInNetworks: IsInNetworks,
  asked: readonly Asked[],
): Promise<Settled<Principal | null>[]> {
  const byHash = new Map<string, Principal>();
  await addTokens(
    deps,
    isInNetworks,
    asked.filter(({ attemptId, signed }) => attemptId === null && signed === null),
    byHash,
  );
  await addSigned(deps, isInNetworks, asked, byHash);
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

async function addSigned(
  deps: Pick<Deps, 'hot' | 'wakeups'>,
  isInNetworks: IsInNetworks,
  asked: readonly Asked[],
  byHash: Map<string, Principal>,
): Promise<void> {
  const tokens = asked.flatMap(({ hash, signed, address }) => (signed === null ? [] : [{ hash, signed, address }]));
  if (tokens.length === 0) return;
  const signers = await findSigners(
    deps,
    tokens.map(({ signed }) => signed),
  );
  const calling: AgentKey[] = [];
  tokens.forEach(({ hash, address }, index) => {
    const signer = signers[index] ?? null;
    if (signer === null) return;
    const { agent_id: agentId, networks } = signer;
    if (networks.length === 0 || isInNetworks(address, networks)) calling.push(signer);
    byHash.set(hash.toString('base64'), { kind: 'agent', agentId, networks });
  });
  await noteCalls(deps, calling);
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
  return agent_id === null ? null : { kind: 'agent', agentId: agent_id, networks };
}

async function noteUse(
  { hot: db, wakeups }: Pick<Deps, 'hot' | 'wakeups'>,
  tokens: readonly TokenUse[],
): Promise<void> {
  const unnoted = tokens.filter((token) => token.unnoted).map(({ id }) => id);
  if (unnoted.length > 0) await noteTokenUses(db, unnoted);
  await noteCalls({ hot: db, wakeups }, tokens);
}

/** Any call of an agent is a sign of its life. */
async function noteCalls(
  { hot: db, wakeups }: Pick<Deps, 'hot' | 'wakeups'>,
  calling: readonly Pick<TokenUse, 'agent_id' | 'unseen' | 'offline'>[],
): Promise<void> {
  const unseen = calling.flatMap(({ unseen, agent_id }) => (unseen && agent_id !== null ? [agent_id] : []));
  if (unseen.length > 0) await touchAgents(db, unseen);
  if (calling.some(({ offline }) => offline)) wakeups.emit({ kind: 'agents' });
}
