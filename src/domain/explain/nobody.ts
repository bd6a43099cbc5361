import { hasLabels } from '../match.ts';
import { isOfItsMode, nearestOf, verdicts } from './agents.ts';
import type { AgentReason, KeptFrom, Reason, Taker, TaskReason, Waiting } from './facts.ts';

type Named = Extract<TaskReason, 'agent_removed' | 'no_agents' | 'labels_nobody_has' | 'all_busy'>;
/** Where no word for everybody fits, what keeps the task from the agent that is nearest. */
type Code = Named | AgentReason;

/** Why nobody takes a task whose gates are open; null when somebody would at once. */
export function whyNobody(task: Waiting, takers: readonly Taker[], kept: KeptFrom): Code | null {
  if (task.namedAgentId !== null) {
    const named = takers.filter(({ id }) => id === task.namedAgentId);
    return named.length === 0 ? 'agent_removed' : ofNearest(task, named, kept);
  }
  const ofMode = takers.filter((taker) => isOfItsMode(task, taker));
  if (ofMode.length === 0) return 'no_agents';
  const matching = ofMode.filter(({ labels }) => hasLabels(labels, task.requires));
  return matching.length === 0 ? 'labels_nobody_has' : ofNearest(task, matching, kept);
}

function ofNearest(task: Waiting, matching: readonly Taker[], kept: KeptFrom): Code | null {
  const code = nearestOf(verdicts(task, matching, kept))?.obstacles[0] ?? null;
  return code === 'no_capacity' ? 'all_busy' : code;
}

/** What time alone won't change, so that it is worth saying while a gate is closed. */
export const LASTING: readonly Code[] = ['agent_removed', 'no_agents', 'labels_nobody_has'];

const KINDS = { undecided: 'host or agent', ssh_cli: 'host', http_pull: 'agent that pulls' };

/** The same in words. They name no agent but the one that the task names itself: not everybody may know the others. */
export function nobodyReason(code: Code, task: Waiting, takers: readonly Taker[]): Reason {
  const kind = KINDS[task.executionMode];
  const named = takers.find(({ id }) => id === task.namedAgentId)?.name;
  const who = named ?? 'Whoever could take it';
  switch (code) {
    case 'agent_removed':
      return { code, message: 'The agent that it was assigned to was removed.' };
    case 'no_agents':
      return { code, message: `There is no ${kind}.` };
    case 'labels_nobody_has': {
      const has = new Set(takers.filter((taker) => isOfItsMode(task, taker)).flatMap(({ labels }) => labels));
      const missing = task.requires.filter((label) => !has.has(label));
      const message =
        missing.length === 0 ? `No ${kind} has all its labels together.` : `No ${kind} has ${missing.join(', ')}.`;
      return { code, message, missing };
    }
    case 'all_busy':
      return {
        code,
        message: named === undefined ? 'All places that could take it are taken.' : `All places of ${named} are taken.`,
      };
    default:
      return { code, message: `${who} ${NEAREST[code] ?? 'cannot take it now'}.` };
  }
}

const NEAREST: Partial<Record<Code, string>> = {
  cordoned: 'is cordoned',
  draining: 'takes nothing new',
  offline: 'is offline',
  unsettled: 'is asked first about attempts that ended there without its word',
  policy: 'refuses the command',
  limits_unavailable: 'has not the limits or the sandbox that it asks for',
  recently_failed_here: 'is given a moment, since it failed there',
};
