import { setHostState } from '../store/ssh-attempts.ts';
import type { Deps } from './deps.ts';
import { letAgentBack } from './judge-agent.ts';

export type HostState = { online: true } | { online: false; code: string; message: string };

/** What a probe found. Answers whether the host came or went, or is let back from its isolation. */
export async function noteHostState(deps: Deps, hostId: string, state: HostState): Promise<boolean> {
  const news = await setHostState(deps.db, hostId, state.online ? { online: true, code: null, message: null } : state);
  const back = state.online && (await letAgentBack(deps, hostId));
  if (news) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  return news || back;
}
