import { listAgents } from '../../usecases/agents/read-agents.ts';
import { listDeliveries } from '../../usecases/forge/read-deliveries.ts';
import type { DashboardDeps } from '../deps.ts';
import type { Refused } from './refused.ts';

/** How far somebody has come who has just set this up. */
export type Steps = {
  /** Names of machines that are there now, and of those that aren't. */
  online: string[];
  offline: string[];
  forges: readonly string[];
  /** When the last delivery came. */
  deliveredAt: string | null;
  publicUrl: string;
  refused: Refused;
};

const SOME = 20;

export async function readSteps({ deps, forges, publicUrl }: DashboardDeps): Promise<Omit<Steps, 'refused'>> {
  const agents = (await listAgents(deps, { limit: SOME, cursor: null })).items;
  const deliveries = await listDeliveries(deps, {}, { limit: 1, cursor: null });
  return {
    online: agents.filter(({ online }) => online).map(({ name }) => name),
    offline: agents.filter(({ online }) => !online).map(({ name }) => name),
    forges,
    deliveredAt: deliveries.items[0]?.receivedAt ?? null,
    publicUrl: publicUrl(),
  };
}
