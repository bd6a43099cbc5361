import type { Json } from '../../domain/canonical-json.ts';
import type { TaskEvent } from '../../domain/event.ts';
import { type Html, html, outside } from '../html.ts';
import { nameOf, type TaskView } from './read-task.ts';

type About = Pick<TaskView, 'task' | 'names' | 'attempts'>;
type Event = Pick<TaskEvent, 'type' | 'actor' | 'attemptId' | 'toStatus' | 'data'>;

/** An event of a task's history as a sentence. */
export function sentence(event: Event, about: About): Html {
  const tell = (SENTENCES as Record<string, (event: Event, about: About) => Html>)[event.type];
  return tell === undefined ? html`${capital(event.type.replaceAll('_', ' '))}` : tell(event, about);
}

const SENTENCES = {
  created,
  mode_decided: ({ data }: Event) =>
    data.execution_mode === 'http_pull'
      ? html`Left to the agents that ask${because(data.reason)}`
      : html`Undecided again${because(data.reason)}`,
  agent_named: (event: Event, about: About) => html`Assigned to ${agent(event, about)} by ${actor(event, about)}`,
  agent_unnamed: (event: Event, about: About) =>
    html`No longer assigned to ${agent(event, about)}${because(event.data.reason)}`,
  assigned: (event: Event, about: About) =>
    event.data.execution_mode === 'ssh_cli'
      ? html`Dispatched to ${agent(event, about)}${attempt(event, about)}`
      : html`${agent(event, about)} took it${attempt(event, about)}`,
  started: (event: Event, about: About) => html`Started on ${agent(event, about)}`,
  reattached: (event: Event, about: About) => html`Found again on ${agent(event, about)}, where it went on`,
  changed: (event: Event, about: About) =>
    typeof event.data.preempts_task_id === 'string'
      ? html`Found no place: a less urgent task on ${agent(event, about)} is asked to make room`
      : html`Changed by ${actor(event, about)}${changes(event)}`,
  approved: (event: Event, about: About) => html`Approved by ${actor(event, about)}`,
  retried: (event: Event, about: About) => html`To be tried again, said ${actor(event, about)}`,
  cancel_requested: stopAsked,
  lease_lost: (event: Event, about: About) => html`Lost on ${agent(event, about)}${ending(event)}`,
  preempted: (event: Event, about: About) =>
    html`Stopped on ${agent(event, about)} for a task of higher priority${lost(event.data.seconds_lost)}. Pending again`,
  released: (event: Event, about: About) =>
    html`Handed back by ${agent(event, about)} before it was started. Pending again`,
  late_result: (event: Event, about: About) =>
    html`${agent(event, about)} reported ${word(event.data.outcome)} when it was too late; nothing was changed`,
  completed: ({ data }: Event) => html`Completed${exitCode(data.exit_code)}`,
  failed: (event: Event) => html`${event.data.outcome === 'lost' ? 'Lost' : 'Failed'}${ending(event)}`,
  cancelled: (event: Event, about: About) =>
    event.attemptId === null
      ? html`Cancelled by ${actor(event, about)}${because(event.data.reason)}`
      : html`Cancelled on ${agent(event, about)}`,
} satisfies Partial<Record<TaskEvent['type'], (event: Event, about: About) => Html>>;

function created({ actor: { kind } }: Event, { task: { createdBy, source } }: About): Html {
  const who = outside(createdBy.name);
  if (kind !== 'forge' || source === null) return html`Created by ${who}`;
  if (source.event.includes('comment')) return html`Created from a comment of ${who}`;
  if (source.event.includes('label')) return html`Created by a label that ${who} set`;
  return html`Created by ${who} (${outside(source.event.replaceAll('_', ' '))})`;
}

/** What a coordinator changed, each from what to what. */
function changes({ data }: Event): Html {
  const told = Object.entries(data).flatMap(([name, change]) =>
    typeof change === 'object' && change !== null && !Array.isArray(change) && 'to' in change
      ? [`${name.replaceAll('_', ' ')} ${shown(change.from)} → ${shown(change.to)}`]
      : [],
  );
  return html`${because(told.join(', '))}`;
}

/** Who wants it stopped, and why. */
function stopAsked(event: Event, about: About): Html {
  const { reason, for_priority: priority } = event.data;
  const server = event.actor.kind === 'server';
  if (server && reason === 'timeout') return html`Asked to stop: its time is over`;
  if (server && reason === 'preempted') {
    return html`Asked to make room for a task of ${typeof priority === 'number' ? `priority ${priority}` : 'higher priority'}`;
  }
  return html`${actor(event, about)} asked to cancel it${because(reason)}`;
}

/** Who did it: whoever holds the token, or a part of the system. */
function actor({ actor: { kind, id } }: Event, about: About): Html {
  if (kind === 'server') return html`the server`;
  if (kind === 'forge') return html`the forge ${outside(id)}`;
  const { createdBy } = about.task;
  return outside(about.names.get(id) ?? (createdBy.id === id ? createdBy.name : id));
}

/** The agent that the event names, or that has its attempt. */
function agent({ data, attemptId, actor: { kind, id } }: Event, about: About): Html {
  const held = about.attempts.find((one) => one.id === attemptId)?.agentId ?? (kind === 'agent' ? id : null);
  const known = typeof data.agent_id === 'string' ? data.agent_id : held;
  return known === null ? html`an agent` : outside(nameOf(about, known));
}

function attempt({ attemptId }: Event, { attempts }: About): Html | null {
  const number = attempts.find((one) => one.id === attemptId)?.number;
  return number === undefined ? null : html`, attempt ${number}`;
}

/** How it ended and what becomes of the task. */
function ending({ data, toStatus }: Event): Html {
  const error = data.error ?? (typeof data.exit_code === 'number' ? `exit code ${data.exit_code}` : null);
  return html`${because(error)}${toStatus === 'pending' ? '. Pending again' : ''}`;
}

const because = (reason: Json | undefined): Html | null =>
  typeof reason === 'string' && reason !== '' ? html`: ${outside(reason)}` : null;
const shown = (value: Json | undefined): string =>
  value === null || value === undefined ? 'none' : Array.isArray(value) ? value.join(' ') || 'none' : `${value}`;
const lost = (seconds: Json | undefined): string =>
  typeof seconds === 'number' ? `, after it had run for ${seconds} s` : '';
const exitCode = (code: Json | undefined): string => (typeof code === 'number' ? `, exit code ${code}` : '');
const word = (value: Json | undefined): Html => outside(typeof value === 'string' ? value : 'its end');
const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
