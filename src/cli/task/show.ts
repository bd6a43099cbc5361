import type { Command } from 'commander';
import { type Event, eventList } from '../../contract/event.ts';
import { type Task, task } from '../../contract/task.ts';
import { visible, visibleLines } from '../../domain/visible.ts';
import { ago, span } from '../ages.ts';
import { inPath } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { readPages } from '../pages.ts';
import { table } from '../table.ts';
import { paintStatus, standing, taskCommand } from './words.ts';

const MOST_EVENTS = 1000;

export function addTaskShow(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'show', 'show one task and what happened to it'))).action(
    (id: string, options: ServerOptions) => showTask(id, options, context),
  );
}

async function showTask(id: string, options: ServerOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const client = connect(options, context);
  const path = `/api/v1/tasks/${inPath(id)}`;
  const found = await client.get(path, task);
  const { items: events } = await readPages(client, `${path}/events`, eventList, {}, MOST_EVENTS);
  if (options.json) return printJson(terminal, { ...found, events });
  const shown = facts(found);
  const width = Math.max(...shown.map(([name]) => name.length));
  terminal.out(`${terminal.style('bold', visible(found.title))}\n`);
  for (const [name, value] of shown) {
    const text = name === 'status' ? paintStatus(terminal, visible(value), found.status) : visible(value);
    terminal.out(`  ${name.padEnd(width)}  ${text}\n`);
  }
  if (found.result?.summary) terminal.out(`\n${visibleLines(found.result.summary)}\n`);
  terminal.out(`\n${eventTable(events, terminal.width)}`);
}

function facts(shown: Task): [string, string][] {
  const { attempt, result, source } = shown;
  const all: [string, string | null][] = [
    ['id', shown.id],
    ['status', standing(shown)],
    ['mode', modeOf(shown)],
    ['priority', `${shown.priority}`],
    ['made by', `${shown.created_by.name} (${shown.created_by.kind}), ${ago(shown.created_at)} ago`],
    ['from', source === null ? null : (source.url ?? `${source.repository} ${source.event}`)],
    ['template', shown.template],
    ['command', JSON.stringify(shown.command)],
    ['requires', shown.requires.length === 0 ? null : shown.requires.join(', ')],
    ['named agent', shown.named_agent_id],
    ['attempt', attempt === null ? null : `${attempt.number} on ${attempt.agent_id} (${attempt.id})`],
    ['process', attempt?.process ? `${attempt.process.pid}` : null],
    ['contact', contactOf(shown)],
    ['progress', progressOf(shown)],
    ['stop asked', shown.cancel_requested ? (shown.cancel_reason ?? 'yes') : null],
    ['result', result === null ? null : [result.outcome, result.failure_class].filter(Boolean).join(', ')],
    ['exit code', result?.exit_code === undefined || result.exit_code === null ? null : `${result.exit_code}`],
    ['error', result?.error ?? null],
    ['took', tookOf(shown)],
  ];
  return all.flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}

const modeOf = ({ execution_mode: mode, requested_mode: asked }: Task): string =>
  mode === asked ? mode : `${mode} (made as ${asked})`;

const contactOf = ({ attempt, finished_at: end }: Task): string | null =>
  end === null && attempt?.contact?.state === 'unreachable' ? `none for ${ago(attempt.contact.since)}` : null;

function progressOf({ attempt }: Task): string | null {
  if (attempt?.progress == null) return null;
  const { percent, message } = attempt.progress;
  return [percent === null ? null : `${percent} %`, message].filter((part) => part !== null).join(', ');
}

function tookOf({ attempt, finished_at: end }: Task): string | null {
  const began = attempt?.started_at ?? null;
  return began === null || end === null ? null : span((Date.parse(end) - Date.parse(began)) / 1000);
}

const eventTable = (events: readonly Event[], width: number | null): string =>
  table(
    [
      { title: 'N', cell: (event) => `${event.n}`, right: true },
      { title: 'AT', cell: (event) => event.at },
      { title: 'EVENT', cell: (event) => event.type },
      { title: 'BY', cell: (event) => `${event.actor.kind} ${event.actor.id}` },
      { title: 'STATUS', cell: (event) => event.to_status ?? '' },
      { title: 'WHAT', cell: (event) => (Object.keys(event.data).length === 0 ? '' : JSON.stringify(event.data)) },
    ],
    events,
    width,
  );
