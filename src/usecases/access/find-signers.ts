import { SEEN_BEATS } from '../../domain/agent.ts';
import { isSignedBy, type SignedToken } from '../../domain/signed-token.ts';
import { type AgentKey, findAgentKeys } from '../../store/agent-keys.ts';
import type { Deps } from '../deps.ts';

/** The agents that signed these tokens, in their order; null: it isn't signed by whom it names. */
export async function findSigners(
  { hot, settings }: Pick<Deps, 'hot' | 'settings'>,
  tokens: readonly SignedToken[],
): Promise<(AgentKey | null)[]> {
  if (tokens.length === 0) return [];
  const keys = await findAgentKeys(
    hot,
    tokens.map(({ claims }) => claims.sub),
    SEEN_BEATS * settings.leases.renewSeconds,
  );
  const byAgent = new Map(keys.map((key) => [key.agent_id, key]));
  return tokens.map((token) => {
    const key = byAgent.get(token.claims.sub);
    return key !== undefined && isSignedBy(token, key.public_key) ? key : null;
  });
}
