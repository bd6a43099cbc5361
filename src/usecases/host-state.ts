import { setHostState } from '../store/ssh-attempts.ts';
import type { Deps } from './deps.ts';
import { letAgentBack } from './judge-agent.ts';

export type HostState = { online: true } | { online: false; code: string; message: string };

/** For so long the answer that a host gave to one replica counts against the silence that another met. */
const FRESH_SECONDS = 15;

/** What a replica's probe found. Answers whether the host came or went, or is let back from its isolation. */
export async function noteHostState(
  deps: Deps,
  hostId: string,
  state: HostState,
  replicaId: string | null = null,
): Promise<boolean> {
  const answer = state.online ? { online: true as const, code: null, message: null } : state;
  const news = await setHostState(deps.db, hostId, { replicaId, ...answer }, FRESH_SECONDS);
  const back = state.online && (await letAgentBack(deps, hostId));
  if (news) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  return news || back;
}
