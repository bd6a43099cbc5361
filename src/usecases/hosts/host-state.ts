import { BY_THE_SERVER } from '../../domain/audit.ts';
import { lockAgent, setHostLimits } from '../../store/agents.ts';
import * as isolation from '../../store/isolation.ts';
import { setHostState } from '../../store/ssh-attempts.ts';
import type { Deps } from '../deps.ts';
import { recordAct } from '../record-act.ts';

export type HostState = { online: true } | { online: false; code: string; message: string };

/** Which replica asked, and for how long the answer that a host gave to another counts against the silence it met. */
export type AskedBy = { replicaId: string; freshSeconds: number };
const NOBODY = { replicaId: null, freshSeconds: 0 };

/**
 * What a replica's probe found. Answers whether the host came or went. One that is isolated stays so: {@link isIsolated}.
 */
export async function noteHostState(
  deps: Deps,
  hostId: string,
  state: HostState,
  { replicaId, freshSeconds }: AskedBy | typeof NOBODY = NOBODY,
): Promise<boolean> {
  const answer = state.online ? { online: true as const, code: null, message: null } : state;
  const note = (db: Deps['db']) => setHostState(db, hostId, { replicaId, ...answer }, freshSeconds);
  const news = answer.code === 'host_key' ? await withAlarm(deps, hostId, note) : await note(deps.db);
  if (news) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  return news;
}

/** A host that begins to show another key is written down; while it goes on it is not written down again. */
function withAlarm(deps: Deps, hostId: string, note: (db: Deps['db']) => Promise<boolean>): Promise<boolean> {
  return deps.db.transaction().execute(async (trx) => {
    const before = await lockAgent(trx, hostId);
    const news = await note(trx);
    const after = await lockAgent(trx, hostId);
    const begins = before?.state_reason?.code !== 'host_key' && after?.state_reason?.code === 'host_key';
    const data = { agent_id: hostId, message: after?.state_reason?.message ?? null };
    if (begins) await recordAct(trx, { type: 'host_key_changed', actor: BY_THE_SERVER, data });
    return news;
  });
}

/** What a host can keep of the limits that tasks ask for. Answers whether that is news. */
export async function noteHostLimits(deps: Deps, hostId: string, limits: readonly string[]): Promise<boolean> {
  const news = await setHostLimits(deps.db, hostId, limits);
  if (news) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  return news;
}

/** Whether a host must show that it works again before it is given anything. */
export const isIsolated = (deps: Deps, hostId: string): Promise<boolean> => isolation.isIsolated(deps.db, hostId);

/** It was tried, and does not work yet. */
export const noteStillIsolated = (deps: Deps, hostId: string, why: string): Promise<void> =>
  isolation.explainIsolation(deps.db, hostId, `tried again, and not yet let back: ${why}`);
