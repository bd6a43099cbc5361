import { hasLabels } from '../match.ts';
import { missingAbilities, refusingRule } from '../may-run.ts';
import { isWithin } from '../restriction.ts';
import type { AgentReason, KeptFrom, Reason, Taker, Waiting } from './facts.ts';

/** An agent, what keeps the task from it beside the task's own gates, and how far it is from taking it. */
export type Verdict = { taker: Taker; obstacles: readonly AgentReason[]; distance: number };

/** Each agent in turn. Policies that several agents share are looked at once. */
export function* verdicts(task: Waiting, takers: readonly Taker[], kept: KeptFrom): Generator<Verdict> {
  const allowed = new Map<Taker['policy'], boolean>();
  for (const taker of takers) {
    const { policy } = taker;
    const isAllowed = policy === null || (allowed.get(policy) ?? refusingRule(task.command, policy) === null);
    if (policy !== null) allowed.set(policy, isAllowed);
    const obstacles = obstaclesAt(task, taker, kept, isAllowed);
    yield { taker, obstacles, distance: distanceOf(task, taker, obstacles) };
  }
}

/** By mode alone. */
export const isOfItsMode = (task: Waiting, taker: Taker): boolean =>
  task.executionMode === 'undecided' || task.executionMode === taker.executionMode;

function obstaclesAt(task: Waiting, taker: Taker, kept: KeptFrom, isAllowed: boolean): AgentReason[] {
  const found: AgentReason[] = [];
  // A name stands in place of the labels, and of where it failed.
  const isNamed = task.namedAgentId === taker.id;
  if (task.namedAgentId !== null && !isNamed) found.push('other_agent_named');
  if (!isOfItsMode(task, taker)) found.push('mode');
  if (task.namedAgentId === null && !hasLabels(taker.labels, task.requires)) found.push('labels_missing');
  if (taker.cordoned) found.push('cordoned');
  if (taker.draining) found.push('draining');
  if (!taker.online) found.push('offline');
  if (taker.toAsk) found.push('unsettled');
  if (!isAllowed || !isWithin(taker.restriction, task)) found.push('policy');
  if (taker.limits !== null || taker.sandboxes !== null) {
    if (missingAbilities(task, taker).length > 0) found.push('limits_unavailable');
  }
  if (task.namedAgentId === null && kept.has(taker.id)) found.push('recently_failed_here');
  if (taker.running >= taker.capacity) found.push('no_capacity');
  return found;
}

/** How far each thing is from letting the task run: what passes by itself, what somebody does, what needs another. */
const DISTANCES: Record<AgentReason, number> = {
  no_capacity: 1,
  unsettled: 1,
  preemption_limit: 0,
  recently_failed_here: 2,
  offline: 4,
  draining: 4,
  cordoned: 4,
  labels_missing: 16,
  limits_unavailable: 64,
  policy: 64,
  other_agent_named: 128,
  mode: 256,
};

function distanceOf(task: Waiting, taker: Taker, obstacles: readonly AgentReason[]): number {
  let distance = 0;
  for (const code of obstacles) {
    distance += DISTANCES[code];
    if (code === 'labels_missing') distance += missingLabels(task, taker).length - 1;
  }
  return distance;
}

const byDistance = (a: Verdict, b: Verdict): number =>
  a.distance - b.distance || (a.taker.name < b.taker.name ? -1 : 1);

/** Nearest to takeable first; of the same distance by name. */
export const nearestFirst = (all: readonly Verdict[]): Verdict[] => all.toSorted(byDistance);

/** The first that would take it at once, else the nearest; whoever comes after it isn't looked at. */
export function nearestOf(all: Iterable<Verdict>): Verdict | null {
  let nearest: Verdict | null = null;
  for (const one of all) {
    if (one.distance === 0) return one;
    if (nearest === null || byDistance(one, nearest) < 0) nearest = one;
  }
  return nearest;
}

export const missingLabels = (task: Waiting, { labels }: Taker): string[] =>
  task.requires.filter((label) => !labels.includes(label));

/** The same in words. */
export const reasonAt = (code: AgentReason, task: Waiting, taker: Taker, kept: KeptFrom): Reason => ({
  code,
  ...WORDS[code](task, taker, kept),
});

type Words = (task: Waiting, taker: Taker, kept: KeptFrom) => Omit<Reason, 'code'>;
const REACHED = { ssh_cli: 'is a host', http_pull: 'is an agent that pulls' };

const WORDS: Record<AgentReason, Words> = {
  other_agent_named: () => ({ message: 'The task is assigned to another agent.' }),
  mode: (task, taker) => ({
    message: isLeftToAgents(task)
      ? `${taker.name} is a host; the task was left to agents that pull, and comes back when a host can serve it.`
      : `${taker.name} ${REACHED[taker.executionMode]}, and the mode of the task is ${task.executionMode}.`,
  }),
  labels_missing: (task, taker) => {
    const missing = missingLabels(task, taker);
    return { message: `${taker.name} lacks the labels ${missing.join(', ')}.`, missing };
  },
  cordoned: (_, { name, cordonReason }) => ({
    message: cordonReason === null ? `${name} is cordoned.` : `${name} is cordoned: ${cordonReason}.`,
  }),
  draining: (_, { name }) => ({ message: `${name} takes nothing new.` }),
  offline: (_, { name, executionMode, stateReason, lastSeenAt }) => ({
    message:
      executionMode === 'ssh_cli'
        ? `${name} cannot be reached${stateReason === null ? '' : `: ${stateReason.message}`}.`
        : `${name} ${lastSeenAt === null ? 'has never called' : `was last heard of at ${lastSeenAt}`}; it is online as soon as it asks.`,
  }),
  unsettled: (_, { name }) => ({
    message: `${name} is asked first about attempts that ended there without its word.`,
  }),
  policy: (task, { name, policy, restriction }) => ({
    message: isWithin(restriction, task)
      ? `${name} refuses the command (policy: ${refusingRule(task.command, policy) ?? 'none'}).`
      : `${name} is for tasks of other repositories or labels only.`,
  }),
  limits_unavailable: (task, taker) => {
    const missing = missingAbilities(task, taker);
    return { message: `The machine of ${taker.name} has no ${missing.join(', ')}.`, missing };
  },
  recently_failed_here: (_, { id, name }, kept) => {
    const until = kept.get(id);
    const message = `An attempt failed on ${name} a moment ago; others are asked first.`;
    return until === undefined ? { message } : { message, until };
  },
  no_capacity: (_, { name, capacity }) => ({ message: `All places of ${name} are taken (${capacity}).` }),
  preemption_limit: (_, { name }) => ({
    message: `What runs on ${name} and might be stopped for it has made room as often as it must.`,
  }),
};

/** Left to agents by phase 2, not by anybody's wish. */
const isLeftToAgents = (task: Waiting): boolean =>
  task.executionMode === 'http_pull' && task.requestedMode === 'undecided' && task.namedAgentId === null;
