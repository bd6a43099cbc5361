import { isTaken } from '../task.ts';
import { type Breach, type BreachCode, breach } from './breach.ts';
import type { TaskFacts } from './facts.ts';

/** Leases are of taken tasks alone, and one that lapsed a while ago was ended, adopted or waits for its host. */
export function checkLease({ task, attempts, overdueBy }: TaskFacts): Breach[] {
  const say = (code: BreachCode, detail: string) => [breach(code, task.id, detail)];
  const { leaseExpiresAt: lease, holder, status } = task;
  if (!isTaken(status)) {
    return lease === null && holder === null ? [] : say('lease_misplaced', `it is ${status} and has a lease`);
  }
  if (lease === null) return say('lease_misplaced', `it is ${status} without a lease`);
  if ((holder === null) === (task.executionMode === 'ssh_cli')) {
    return say('lease_misplaced', `it is ${task.executionMode} and its holder ${holder ?? 'nobody'}`);
  }
  if (lease >= overdueBy) return [];
  if (task.executionMode === 'http_pull') return say('stuck', `its lease lapsed at ${lease} and nobody ended it`);
  const deadBy = attempts.at(-1)?.deadBy ?? lease;
  return deadBy >= overdueBy
    ? []
    : say('stuck', `nobody drives its attempt, of which nothing can come since ${deadBy}`);
}

/** Whom the task names is there, and the task stands where the claims of that one look. */
export function checkPlace({ task, attempts, agents, lane }: TaskFacts): Breach[] {
  const say = (code: BreachCode, detail: string) => [breach(code, task.id, detail)];
  const named = [task.namedAgentId, task.assignedAgentId, ...attempts.map(({ agentId }) => agentId)];
  const missing = named.find((id) => id !== null && !agents.has(id));
  if (missing) return say('agent_missing', `there is no agent ${missing}`);
  if (task.status !== 'pending') return [];
  const agent = task.namedAgentId === null ? undefined : agents.get(task.namedAgentId);
  if (agent?.deleted) return say('deleted_agent_named', `agent ${task.namedAgentId} was deleted`);
  if (agent && agent.executionMode !== task.executionMode) {
    return say(
      'lane_wrong',
      `it is ${task.executionMode}, and agent ${task.namedAgentId} is reached by ${agent.executionMode}`,
    );
  }
  if (!stands(task, lane)) return say('lane_wrong', 'it stands in a lane that is not its own');
  const assignedTo = says(task.assignedAgentId, task.assignedAt);
  const names = says(task.namedAgentId, task.namedAt);
  return assignedTo === names ? [] : say('assignment_wrong', `it is assigned to ${assignedTo}, and names ${names}`);
}

const says = (agentId: string | null, since: string | null): string =>
  `${agentId ?? 'nobody'} since ${since ?? 'never'}`;

/** In the lane of the agent that it names, whatever it requires; else in that of its labels and its repository. */
function stands({ namedAgentId, requires, repository }: TaskFacts['task'], lane: TaskFacts['lane']): boolean {
  if (lane === null || lane.agentId !== namedAgentId) return false;
  const [labels, of] = namedAgentId === null ? [requires, repository] : [[], null];
  return lane.repository === of && JSON.stringify(lane.requires) === JSON.stringify(labels);
}
