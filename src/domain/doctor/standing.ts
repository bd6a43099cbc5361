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
  return stands(task, lane) ? [] : say('lane_wrong', 'it stands in a lane that is not its own');
}

function stands(task: TaskFacts['task'], lane: TaskFacts['lane']): boolean {
  if (lane === null) return false;
  if (task.namedAgentId !== null) return lane.agentId === task.namedAgentId;
  const same = lane.requires.toSorted().join() === [...new Set(task.requires)].sort().join();
  return lane.agentId === null && lane.repository === task.repository && same;
}
