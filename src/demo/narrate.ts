import type { Agent } from '../contract/agent.ts';
import type { Attempt } from '../contract/attempt.ts';
import type { Event } from '../contract/event.ts';
import type { Task } from '../contract/task.ts';

/* Turns what the API answers into sentences. Nothing is known here that was not read. */

export type Known = { task: Task; agents: readonly Agent[]; events: readonly Event[] };

/** What an event means to somebody who watches; null for what is told in another place. */
export function sentenceOf(event: Event, known: Known): string | null {
  const mode = String(event.data.execution_mode ?? '');
  const agent = nameOf(String(event.data.agent_id ?? ''), known.agents);
  switch (event.type) {
    case 'mode_decided':
      return `→ ${mode}: ${String(event.data.reason)}. ${whoCould(known)}`;
    case 'agent_named':
      return `→ ${mode}: a ${event.actor.kind} named ${agent}, which is ${kindOf(agent, known.agents)}: the mode follows from that, the request gave none.`;
    case 'assigned':
      return taken(event, mode, agent, known);
    case 'reattached':
      return 'The server took the attempt up again where it was.';
    case 'lease_lost':
    case 'released':
    case 'preempted':
    case 'failed':
      return event.to_status === 'pending' ? `The attempt ended (${event.type}), and the task is pending again.` : null;
    default:
      return null;
  }
}

function taken(event: Event, mode: string, agent: string, known: Known): string {
  const { task, events } = known;
  const told = events.filter(({ n }) => n < event.n).map(({ type }) => type);
  const named = told.includes('agent_named');
  const way = named || told.includes('mode_decided') ? '' : `→ ${mode}: `;
  const the = way === '' ? 'The' : 'the';
  if (event.actor.kind === 'server') {
    const why = named ? 'as it was named for it' : `which is online and has ${quoted(task.requires)}`;
    return `${way}${the} server starts it over SSH on the host ${agent}, ${why}.`;
  }
  if (named) return `${way}${the} agent ${agent}, which alone may take it now, asked for work and got it.`;
  return `${way}${way === '' ? '' : noHost(known)}${the} agent ${agent}, which has ${quoted(task.requires)}, asked for work and took it.`;
}

function noHost({ task, agents }: Known): string {
  const hosts = agents.filter(({ execution_mode }) => execution_mode === 'ssh_cli');
  if (hosts.some(({ labels }) => hasAll(labels, task.requires))) return '';
  return `no host has ${quoted(task.requires)} (${labelsOf(hosts)}), so it stayed undecided until `;
}

function whoCould({ task, agents }: Known): string {
  const able = agents.filter(({ labels }) => hasAll(labels, task.requires));
  if (able.length > 0) return `It is now for ${able.map(({ name }) => name).join(' or ')}.`;
  return `But nobody has ${quoted(task.requires)} (${labelsOf(agents)}), so nobody takes it.`;
}

const hasAll = (labels: readonly string[], wanted: readonly string[]): boolean =>
  wanted.every((label) => labels.includes(label));
const labelsOf = (agents: readonly Agent[]): string =>
  agents.map(({ name, labels }) => `${name} has ${quoted(labels)}`).join(', ');

const nameOf = (id: string, agents: readonly Agent[]): string => agents.find((agent) => agent.id === id)?.name ?? id;

function kindOf(name: string, agents: readonly Agent[]): string {
  const mode = agents.find((agent) => agent.name === name)?.execution_mode;
  return mode === 'ssh_cli' ? 'a configured host' : 'a registered pull agent';
}

/** The task as it was born, from its first event. */
export function bornAs({ task, events }: Known): string {
  const mode = String(events[0]?.data.execution_mode ?? task.requested_mode);
  const wants = task.requires.length === 0 ? 'anybody' : `somebody with the label ${quoted(task.requires)}`;
  return `Task ${shortId(task.id)} “${task.title}” is there, ${mode}: it runs the template ${task.template ?? '–'} and needs ${wants}.`;
}

/** How the task ended. */
export function endOf(task: Task, attempts: readonly Attempt[], agents: readonly Agent[]): string {
  const last = attempts.at(-1);
  const agent = nameOf(task.assigned_agent_id ?? '', agents);
  const seconds = last === undefined ? null : secondsOf(last);
  const code = task.result?.exit_code ?? null;
  return [
    `${task.status === 'completed' ? '✓' : '✗'} ${task.status}`,
    code === null ? null : `exit code ${code}`,
    `attempt ${last?.number ?? '–'} on ${agent}`,
    seconds === null ? null : `${seconds} s`,
    task.result?.error ?? null,
  ]
    .filter((part) => part !== null)
    .join(', ');
}

function secondsOf({ started_at, finished_at }: Attempt): string | null {
  if (started_at === null || finished_at === null) return null;
  return ((Date.parse(finished_at) - Date.parse(started_at)) / 1000).toFixed(1);
}

export const shortId = (id: string): string => `…${id.slice(-6)}`;

export const quoted = (words: readonly string[]): string =>
  words.length === 0 ? 'no label' : words.map((word) => `\`${word}\``).join(', ');
