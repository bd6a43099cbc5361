import type { Command } from 'commander';
import { task } from '../../contract/task.ts';
import { inPath } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { taskCommand } from './words.ts';

type Options = ServerOptions & { reason?: string; force?: boolean };

export function addTaskCancel(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'cancel', 'cancel a task, or ask the one who runs it to stop')))
    .option('--reason <text>', 'why, for the history')
    .option('--force', 'end it although its host is out of reach; what runs there is not proven to have ended')
    .action((id: string, options: Options) => cancelTask(id, options, context));
}

async function cancelTask(id: string, options: Options, context: Context): Promise<void> {
  const body = { reason: options.reason, force: options.force };
  const asked = await connect(options, context).post(`/api/v1/tasks/${inPath(id)}/cancel`, body, task);
  if (options.json) return printJson(context.terminal, asked);
  const stands = asked.status === 'cancelled' ? 'is cancelled' : `is asked to stop; it is still ${asked.status}`;
  context.terminal.out(`task ${asked.id} ${stands}\n`);
}
