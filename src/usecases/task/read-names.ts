import { isUuid } from '../../domain/uuid.ts';
import { agentNames } from '../../store/agents.ts';
import { tokenNames } from '../../store/tokens.ts';
import type { Deps } from '../deps.ts';

/** What agents and tokens are called, by their ids. Deleted and revoked ones have their names still. */
export async function readNames(
  deps: Pick<Deps, 'db'>,
  ids: { agents: Iterable<string>; tokens: Iterable<string> },
): Promise<Map<string, string>> {
  const tokens = [...new Set(ids.tokens)].filter((id) => isUuid(id));
  const found = await Promise.all([agentNames(deps.db, [...new Set(ids.agents)]), tokenNames(deps.db, tokens)]);
  return new Map(found.flat().map(({ id, name }) => [id, name]));
}
