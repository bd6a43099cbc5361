import type { Command } from 'commander';
import { type Task, taskList } from '../../contract/task.ts';
import { agentIdOf } from '../agents/words.ts';
import { ago } from '../ages.ts';
import { wholeNumber } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { readPages } from '../pages.ts';
import { type Column, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { paintStatus } from './words.ts';

type Options = ServerOptions & {
  limit: number;
  status?: string;
  mode?: string;
  agent?: string;
  repository?: string;
  template?: string;
  label?: string;
  query?: string;
  sort?: string;
};

export function addTaskList(parent: Command, context: Context): void {
  printsJson(asksServer(parent.command('list').description('list tasks, newest first')))
    .option('--status <status>', 'only these, comma-separated: pending,assigned,running,completed,failed,cancelled')
    .option('--mode <mode>', 'only these, comma-separated: undecided,ssh_cli,http_pull')
    .option('--agent <agent>', 'only those of this agent or host, by its id or its name')
    .option('--repository <owner/name>', 'only those of this repository')
    .option('--template <name>', 'only those made from this template')
    .option('--label <label>', 'only those that require this label')
    .option('--query <text>', 'only those with these words in the title')
    .option('--sort <order>', 'created (newest first) or rank (in the order in which they will be taken)')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 10_000), 50)
    .action((options: Options) => listTasks(options, context));
}

async function listTasks(options: Options, context: Context): Promise<void> {
  const client = connect(options, context);
  const query = {
    status: options.status,
    execution_mode: options.mode,
    agent_id: options.agent === undefined ? undefined : await agentIdOf(client, options.agent),
    repository: options.repository,
    template: options.template,
    label: options.label,
    q: options.query,
    sort: options.sort,
  };
  const page = await readPages(client, '/api/v1/tasks', taskList, query, options.limit);
  const { terminal } = context;
  if (options.json) return printJson(terminal, page);
  if (page.items.length === 0) return terminal.err('no tasks\n');
  terminal.out(table(columns(terminal), page.items, terminal.width));
  if (page.next_cursor !== null) terminal.err(`there are more; --limit ${options.limit * 2} shows some of them\n`);
}

const columns = (terminal: Terminal): Column<Task>[] => [
  { title: 'ID', cell: (task) => task.id },
  { title: 'STATUS', cell: (task) => task.status, paint: (text, task) => paintStatus(terminal, text, task.status) },
  { title: 'MODE', cell: (task) => task.execution_mode },
  { title: 'AGENT', cell: (task) => task.assigned_agent_id ?? '-' },
  { title: 'PRIORITY', cell: (task) => `${task.priority}`, right: true },
  { title: 'AGE', cell: (task) => ago(task.created_at), right: true },
  { title: 'TITLE', cell: (task) => task.title },
];
