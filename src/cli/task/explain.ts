import type { Command } from 'commander';
import { type Explanation, explanation } from '../../contract/explain.ts';
import { visible } from '../../domain/visible.ts';
import { inPath } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { table } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { paintStatus, taskCommand } from './words.ts';

export function addTaskExplain(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'explain', 'say why a task waits, agent by agent, and what helps'))).action(
    (id: string, options: ServerOptions) => explainTask(id, options, context),
  );
}

async function explainTask(id: string, options: ServerOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const told = await connect(options, context).get(`/api/v1/tasks/${inPath(id)}/explain`, explanation);
  if (options.json) return printJson(terminal, told);
  terminal.out(`${paintStatus(terminal, headline(told), told.status)}\n`);
  for (const { message } of told.reasons) terminal.out(`  ${visible(message)}\n`);
  if (told.smallest_change !== null) terminal.out(`  what helps: ${visible(told.smallest_change)}\n`);
  if (told.agents.length > 0) terminal.out(`\n${agentTable(told.agents, terminal)}`);
  const more = told.agents_total - told.agents.length;
  if (more > 0) terminal.out(`and ${more} more\n`);
}

function headline({ status, takeable, ahead }: Explanation): string {
  if (status !== 'pending') return `not pending, it is ${status}`;
  const before = ahead === 0 ? 'nothing is before it' : `${ahead} before it`;
  return `${takeable ? 'can be taken now' : 'cannot be taken now'}, ${before}`;
}

const agentTable = (agents: Explanation['agents'], terminal: Terminal): string =>
  table(
    [
      { title: 'AGENT', cell: ({ name }) => name },
      { title: 'MODE', cell: ({ execution_mode: mode }) => mode },
      {
        title: 'TAKEABLE',
        cell: ({ takeable }) => (takeable ? 'yes' : 'no'),
        paint: (text, { takeable }) => terminal.style(takeable ? 'green' : 'yellow', text),
      },
      { title: 'WHY NOT', cell: ({ reasons }) => reasons.map(({ code }) => code).join(', ') },
      { title: 'SMALLEST CHANGE', cell: ({ smallest_change: change }) => change ?? '' },
    ],
    agents,
    terminal.width,
  );
