import { SILENT_BEATS } from '../../domain/agent.ts';
import { AppError } from '../../domain/errors.ts';
import { readInstance } from '../../domain/instance.ts';
import { letInstanceIn } from '../../store/instances.ts';
import { letAgentBack } from '../attempt/judge-agent.ts';
import type { Deps } from '../deps.ts';

/**
 * Lets in the one process that is an agent, as it says itself: a later start of it takes over at once, a copy is refused
 * while the other one lives. Throws `instance_conflict`, and `malformed`.
 */
export type LetInstanceIn = (agentId: string, instance: string) => Promise<void>;

/** One that was let in is not asked about again for so long. */
const REMEMBERED_MS = 1_000;
const MOST_REMEMBERED = 50_000;

export function createLetInstanceIn(deps: Deps): LetInstanceIn {
  const remembered = new Map<string, { instance: string; untilMs: number }>();
  const silentSeconds = SILENT_BEATS * deps.settings.leases.renewSeconds;

  return async (agentId, text) => {
    const last = remembered.get(agentId);
    if (last?.instance === text && last.untilMs > performance.now()) return;
    const instance = readInstance(text);
    if (instance === null) throw new AppError('malformed', 'Taskejo-Instance is store-id/start-number/nonce.');
    const untilMs = performance.now() + REMEMBERED_MS;
    const found = await letInstanceIn(deps.hot, agentId, instance, silentSeconds);
    if (found === null) {
      remembered.delete(agentId);
      throw new AppError('instance_conflict', 'Another process with the identity of this agent is at work.');
    }
    // Whatever made its tasks fail, it has begun anew.
    if (found.isNew) await letAgentBack(deps, agentId);
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(agentId, { instance: text, untilMs });
  };
}
