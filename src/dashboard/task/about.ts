import { isFinal } from '../../domain/task.ts';
import { duration } from '../client/durations.ts';
import { type Html, html, outside } from '../html.ts';
import { priorityWords, shortId } from '../words/amounts.ts';
import { modeWord } from '../words/standing.ts';
import { secondsBetween, since } from '../words/times.ts';
import { nameOf, type TaskView } from './read-task.ts';

type Fact = [word: string, value: Html] | null;

/** The facts beside a task. */
export function aboutSection(view: TaskView, nowMs: number): Html {
  const facts: Fact[] = [
    template(view),
    agent(view),
    labels(view),
    attempt(view),
    ...times(view),
    ['Priority', html`${priorityWords(view.task.priority)}`],
    ['Time limit', html`${duration(view.task.timeoutSeconds)}`],
    retries(view),
    lost(view),
    ...holder(view, nowMs),
    delivery(view),
    id(view),
  ];
  const rows = facts
    .filter((fact) => fact !== null)
    .map(([word, value]) => html`<div><dt>${word}</dt><dd>${value}</dd></div>`);
  return html`<section id="about"><h2>About</h2><dl class="facts">${rows}</dl></section>`;
}

const template = ({ task }: TaskView): Fact => (task.template === null ? null : ['Template', outside(task.template)]);

function agent(view: TaskView): Fact {
  const { assignedAgentId, executionMode, namedAgentId, status } = view.task;
  if (assignedAgentId !== null) {
    const named = status === 'pending' && namedAgentId !== null ? ' only' : '';
    return ['Agent', html`${outside(nameOf(view, assignedAgentId))}${named}, ${modeWord(executionMode)}`];
  }
  if (status !== 'pending') return ['Agent', html`none`];
  const ways = {
    undecided: 'undecided: SSH or pull, whoever can first',
    ssh_cli: 'a host, over SSH',
    http_pull: 'an agent that asks',
  };
  return ['Goes to', html`${ways[executionMode]}`];
}

const labels = ({ task }: TaskView): Fact =>
  task.requires.length === 0 ? null : ['Needs', html`${task.requires.map((label) => html`<code>${label}</code> `)}`];

function attempt({ attempts }: TaskView): Fact {
  const [last] = attempts;
  if (last === undefined) return null;
  const code = last.exitCode === null ? null : html`, exit code ${last.exitCode}`;
  const signal = last.signal === null ? null : html`, ${outside(last.signal)}`;
  const before = attempts[1] === undefined ? null : html`, the one before ${outside(attempts[1].outcome ?? 'open')}`;
  return ['Attempt', html`${last.number}${code}${signal}${before}`];
}

function times({ task }: TaskView): Fact[] {
  const started = task.attempt?.startedAt ?? null;
  if (started === null || task.status === 'pending') return [];
  const waited: Fact = ['Waited', html`${duration(secondsBetween(task.createdAt, started))}`];
  return isFinal(task.status) && task.finishedAt !== null
    ? [waited, ['Took', html`${duration(secondsBetween(started, task.finishedAt))}`]]
    : [waited];
}

function retries({ task }: TaskView): Fact {
  if (task.maxRetries === 0) return null;
  return ['If it fails', html`tried again, ${task.maxRetries - task.retries} of ${task.maxRetries} left`];
}

function lost({ task }: TaskView): Fact {
  if (!task.repeatable) return ['If it is lost', html`not repeated by itself`];
  return [
    'If it is lost',
    html`tried again, ${task.maxInfraRetries - task.infraRetries} of ${task.maxInfraRetries} left`,
  ];
}

/** Who works on it now, and whether that is still known. */
function holder(view: TaskView, nowMs: number): Fact[] {
  const { attempt, status } = view.task;
  if (attempt === null || isFinal(status) || status === 'pending') return [];
  const { process, contact } = attempt;
  return [
    process === null ? null : ['Process', html`${process.pid} on ${outside(nameOf(view, attempt.agentId))}`],
    contact === null
      ? null
      : ['Contact', html`${contact.state === 'ok' ? 'answers' : 'none'} for ${since(contact.since, nowMs, 'age')}`],
  ];
}

const delivery = ({ task }: TaskView): Fact =>
  task.deliveryId === null
    ? null
    : ['Came by', html`delivery <code title="${task.deliveryId}">${shortId(task.deliveryId)}</code>`];

const id = ({ task }: TaskView): Fact => [
  'Id',
  html`<code title="${task.id}">${task.id.slice(0, 8)}…${shortId(task.id)}</code>`,
];
