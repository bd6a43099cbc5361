import type { Agent } from '../../domain/agent.ts';
import { findAgent, hasAttempted, listAgents as listRows } from '../../store/agents.ts';
import { type Page, type PageOf, pageOf, readCursor, writeCursor } from '../cursor.ts';
import type { Deps } from '../deps.ts';

/** Null for an agent that is unknown or deleted. */
export const getAgent = (deps: Deps, id: string): Promise<Agent | null> => findAgent(deps.db, id);

/** Both kinds, by name. */
export async function listAgents(deps: Deps, page: Page): Promise<PageOf<Agent>> {
  const [afterName = null] = page.cursor === null ? [] : readCursor('agents', page.cursor, ['text']);
  const agents = await listRows(deps.db, page.limit + 1, afterName);
  return pageOf(agents, page.limit, (last) => writeCursor('agents', last.name));
}

/** Whether an agent has, or ever had, an attempt at a task. */
export const hasHeldTask = (deps: Deps, agentId: string, taskId: string): Promise<boolean> =>
  hasAttempted(deps.db, agentId, taskId);
