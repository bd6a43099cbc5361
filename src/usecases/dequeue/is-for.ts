import { hasLabels } from '../../domain/match.ts';
import { mayRun } from '../../domain/may-run.ts';
import type { FarCandidate } from '../../store/far-candidates.ts';
import type { AgentRow } from '../../store/schema.ts';

/**
 * Whether an agent, or host, with a free place gets this task if it is its turn. Judged on the locked row: since the look
 * at its lane the task may have been assigned to somebody else. A name stands in place of the labels, and where the task
 * failed a moment ago it isn't given, unless it is named there.
 */
export const isFor = (candidate: FarCandidate, agent: AgentRow): boolean =>
  mayRun(candidate, agent) &&
  (candidate.named_agent_id === null
    ? hasLabels(agent.labels, candidate.requires) && !candidate.avoided.includes(agent.id)
    : candidate.named_agent_id === agent.id);
