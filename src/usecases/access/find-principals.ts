import { SEEN_BEATS } from '../../domain/agent.ts';
import type { SignedToken } from '../../domain/signed-token.ts';
import type { Principal } from '../../domain/token.ts';
import type { AgentKey } from '../../store/agent-keys.ts';
import { touchAgents } from '../../store/leases.ts';
import { findTokensOfAttempts, findValidTokens, noteTokenUses, type TokenUse } from '../../store/tokens.ts';
import type { Settled } from '../coalesce.ts';
import type { Deps } from '../deps.ts';
import { findSigners } from './find-signers.ts';

/** Whether an address is in one of some networks. */
export type IsInNetworks = (address: string, networks: readonly string[]) => boolean;

/**
 * The hash of a token, the attempt that it names if it is one of an attempt, what it says if an agent signed it, and
 * from where it came.
 */
export type Asked = { hash: Buffer; attemptId: string | null; signed: SignedToken | null; address: string };

/** Whose tokens these are, each kind by one statement; the use of them is noted. */
export async function findPrincipals(
  deps: Pick<Deps, 'hot' | 'wakeups' | 'settings'>,
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
  deps: Pick<Deps, 'hot' | 'wakeups' | 'settings'>,
  isInNetworks: IsInNetworks,
  asked: readonly Asked[],
  byHash: Map<string, Principal>,
): Promise<void> {
  if (asked.length === 0) return;
  const tokens = await findValidTokens(
    deps.hot,
    asked.map(({ hash }) => hash),
    SEEN_BEATS * deps.settings.leases.renewSeconds,
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
  deps: Pick<Deps, 'hot' | 'wakeups' | 'settings'>,
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
    const { agent_id: agentId, networks, restriction } = signer;
    if (networks.length === 0 || isInNetworks(address, networks)) calling.push(signer);
    byHash.set(hash.toString('base64'), { kind: 'agent', agentId, networks, restriction });
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
      restriction: attempt.restriction,
    });
  }
}

function principalOf({ id, scope, name, agent_id, restriction, networks }: TokenUse): Principal | null {
  if (scope !== 'agent') return { kind: 'token', tokenId: id, scope, name, restriction };
  return agent_id === null ? null : { kind: 'agent', agentId: agent_id, networks, restriction };
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
