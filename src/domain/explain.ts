import { nearestFirst, reasonAt, type Verdict, verdicts } from './explain/agents.ts';
import {
  type GateFacts,
  KEPT_FROM_NOBODY,
  type KeptFrom,
  type Reason,
  type Taker,
  type Waiting,
} from './explain/facts.ts';
import { LASTING, nobodyReason, whyNobody } from './explain/nobody.ts';
import { changeOf, type NotPending, notPendingReasons } from './explain/not-pending.ts';
import { changeAt, joined, newcomer } from './explain/smallest-change.ts';
import { closedGates, type GateReason, gateReasons } from './explain/task-gates.ts';
import type { AgentMode, Status } from './task.ts';

export type { GateFacts, KeptFrom, Reason, Taker, Waiting } from './explain/facts.ts';

/*
 * Why a task isn't taken. The rule that holds it to the truth: an agent is listed as takeable exactly if its next
 * dequeue, or for a host the next pass of dispatch, would take the task if it were first in order. One thing alone
 * stands outside: `offline` of an agent that pulls ends by its asking, so such an agent is not takeable now, and takes
 * the task all the same if nothing but that keeps it.
 */

export type AgentExplanation = {
  agentId: string;
  name: string;
  executionMode: AgentMode;
  takeable: boolean;
  reasons: Reason[];
  smallestChange: string | null;
};

export type Explanation = {
  takeable: boolean;
  reasons: Reason[];
  /** Nearest to takeable first. */
  agents: AgentExplanation[];
  agentsTotal: number;
  smallestChange: string | null;
};

/** More agents than this aren't listed. */
const MOST_LISTED = 1_000;

export type Surroundings = {
  takers: readonly Taker[];
  kept: KeptFrom;
  gates: GateFacts;
  /** Agents on which something would be stopped for the task, had it not made room so often already. */
  spared: ReadonlySet<string>;
};

/** `reader`: an agent that asks, which is told of no other; null for whoever may see all. */
export function explainPending(
  task: Waiting,
  { takers, kept, gates, spared }: Surroundings,
  reader: string | null,
): Explanation {
  const closed = gateReasons(task, gates);
  const all = nearestFirst([...verdicts(task, takers, kept)]);
  const shown = reader === null ? all : all.filter(({ taker }) => taker.id === reader);
  const agents = shown
    .slice(0, MOST_LISTED)
    .map((verdict) => (spared.has(verdict.taker.id) ? withLimit(verdict) : verdict))
    .map((verdict) => explainAgent(task, verdict, closed, kept));
  const nobody = whyNobody(task, takers, kept);
  const told = nobody !== null && (closed.length === 0 || LASTING.includes(nobody));
  return {
    takeable: closed.length === 0 && all.some(({ obstacles }) => obstacles.length === 0),
    reasons: [...closed.map(({ reason }) => reason), ...(told ? [nobodyReason(nobody, task, takers)] : [])],
    agents,
    agentsTotal: shown.length,
    smallestChange:
      agents[0] !== undefined || reader !== null
        ? (agents[0]?.smallestChange ?? null)
        : joined([...closed.map(({ change }) => change), newcomer(task.executionMode, task.requires)]),
  };
}

const withLimit = (verdict: Verdict): Verdict =>
  verdict.obstacles.includes('no_capacity')
    ? { ...verdict, obstacles: [...verdict.obstacles, 'preemption_limit'] }
    : verdict;

function explainAgent(
  task: Waiting,
  verdict: Verdict,
  closed: readonly GateReason[],
  kept: KeptFrom,
): AgentExplanation {
  const { taker, obstacles } = verdict;
  const change = changeAt(task, verdict, kept);
  return {
    agentId: taker.id,
    name: taker.name,
    executionMode: taker.executionMode,
    takeable: closed.length === 0 && obstacles.length === 0,
    reasons: obstacles.map((code) => reasonAt(code, task, taker, kept)),
    smallestChange: joined([...closed.map((gate) => gate.change), ...(change === null ? [] : [change])]),
  };
}

/** Of a task that somebody works on or that has ended: nobody can take it, whoever they are. */
export const explainNotPending = (task: NotPending, deadBy: string | null, agentName: string | null): Explanation => ({
  takeable: false,
  reasons: notPendingReasons(task, deadBy, agentName),
  agents: [],
  agentsTotal: 0,
  smallestChange: changeOf(task),
});

/** Code of the first reason that the explanation of a task would name; null for one that is taken at the next look. */
export type WaitingReason = (task: Waiting & { status: Status }, kept?: KeptFrom) => Reason['code'] | null;

/** Tells it of many tasks; what is alike in all that agents look at is looked at once. */
export function waitingReasons(takers: readonly Taker[]): WaitingReason {
  const known = new Map<string, Reason['code'] | null>();
  const looksAtCommands = takers.some(({ policy }) => policy !== null);
  return (task, kept = KEPT_FROM_NOBODY) => {
    if (task.status !== 'pending') return null;
    const [gate] = closedGates(task, false);
    if (gate !== undefined) return gate;
    if (kept.size > 0) return whyNobody(task, takers, kept);
    const { executionMode, namedAgentId, requires, limits, sandbox, command } = task;
    const key = JSON.stringify([executionMode, namedAgentId, requires, limits, sandbox, looksAtCommands && command]);
    const before = known.get(key);
    if (before !== undefined) return before;
    const code = whyNobody(task, takers, kept);
    known.set(key, code);
    return code;
  };
}
