import type { AgentMode } from '../task.ts';
import { missingLabels, type Verdict } from './agents.ts';
import type { AgentReason, KeptFrom, Taker, Waiting } from './facts.ts';

/** What naming the agent for the task does away with, in one step. */
const NAMING_HELPS: readonly AgentReason[] = ['other_agent_named', 'mode', 'labels_missing', 'recently_failed_here'];
/** Nothing but naming helps against these, however few. */
const ONLY_NAMING_HELPS: readonly AgentReason[] = ['other_agent_named', 'mode'];

/** The smallest change that would let this agent take the task, its gates aside; null if nothing keeps it from it. */
export function changeAt(task: Waiting, { taker, obstacles }: Verdict, kept: KeptFrom): string | null {
  const byName = obstacles.filter((code) => NAMING_HELPS.includes(code));
  const naming = byName.length > 1 || byName.some((code) => ONLY_NAMING_HELPS.includes(code));
  const changes = obstacles.flatMap((code) =>
    naming && NAMING_HELPS.includes(code) ? [] : CHANGES[code](task, taker, kept),
  );
  return joined([...(naming ? [`assign it to ${taker.name}`] : []), ...changes]);
}

/** Several steps as one sentence's end; null for none. */
export const joined = (steps: readonly string[]): string | null => (steps.length === 0 ? null : steps.join(', and '));

/** Who must be there first. */
export const newcomer = (mode: AgentMode | 'undecided', requires: readonly string[]): string => {
  const labels = requires.length === 0 ? '' : ` with the labels ${requires.join(', ')}`;
  return `${NEWCOMERS[mode]}${labels}`;
};
const NEWCOMERS: Record<AgentMode | 'undecided', string> = {
  ssh_cli: 'configure a host',
  http_pull: 'register an agent that pulls',
  undecided: 'register an agent that pulls, or configure a host',
};

const plural = (labels: readonly string[]): string => (labels.length === 1 ? 'label' : 'labels');

const CHANGES: Record<AgentReason, (task: Waiting, taker: Taker, kept: KeptFrom) => string[]> = {
  other_agent_named: (_, { name }) => [`assign it to ${name}`],
  mode: (_, { name }) => [`assign it to ${name}`],
  labels_missing: (task, taker) => {
    const missing = missingLabels(task, taker);
    const what = `the ${plural(missing)} ${missing.join(', ')}`;
    const where = taker.executionMode === 'ssh_cli' ? `host ${taker.name} in the configuration` : taker.name;
    return [`give ${where} ${what}, or assign the task to it`];
  },
  cordoned: (_, { name }) => [`let ${name} back (cordoned: false)`],
  draining: (_, { name }) => [`let ${name} take tasks again (draining: false)`],
  offline: (_, { name, executionMode }) => [executionMode === 'ssh_cli' ? `bring ${name} back` : `start ${name}`],
  unsettled: (_, { name }) => [`wait until ${name} has answered about attempts that ended there`],
  policy: (_, { name }) => [`allow the command in the policy of ${name}`],
  limits_unavailable: (_, { name }) => [`make ${name} able to keep its limits and sandbox, or create it without them`],
  recently_failed_here: (_, { id, name }, kept) => [`wait until ${kept.get(id) ?? 'later'}, or assign it to ${name}`],
  no_capacity: (_, { name }) => [`wait until a place of ${name} is free, or raise its capacity`],
  preemption_limit: () => [],
};
