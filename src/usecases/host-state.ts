import * as isolation from '../store/isolation.ts';
import { setHostState } from '../store/ssh-attempts.ts';
import type { Deps } from './deps.ts';

export type HostState = { online: true } | { online: false; code: string; message: string };

/** For so long the answer that a host gave to one replica counts against the silence that another met. */
const FRESH_SECONDS = 15;

/**
 * What a replica's probe found. Answers whether the host came or went. One that is isolated stays so: {@link isIsolated}.
 */
export async function noteHostState(
  deps: Deps,
  hostId: string,
  state: HostState,
  replicaId: string | null = null,
): Promise<boolean> {
  const answer = state.online ? { online: true as const, code: null, message: null } : state;
  const news = await setHostState(deps.db, hostId, { replicaId, ...answer }, FRESH_SECONDS);
  if (news) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  return news;
}

/** Whether a host must show that it works again before it is given anything. */
export const isIsolated = (deps: Deps, hostId: string): Promise<boolean> => isolation.isIsolated(deps.db, hostId);

/** It was tried, and does not work yet. */
export const noteStillIsolated = (deps: Deps, hostId: string, why: string): Promise<void> =>
  isolation.explainIsolation(deps.db, hostId, `tried again, and not yet let back: ${why}`);
