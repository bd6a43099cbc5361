import type { Command } from 'commander';
import { task } from '../../contract/task.ts';
import { inPath } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { standing, taskCommand } from './words.ts';

export function addTaskRetry(parent: Command, context: Context): void {
  printsJson(
    asksServer(taskCommand(parent, 'retry', 'try a failed or cancelled task again, with fresh budgets')),
  ).action((id: string, options: ServerOptions) => retryTask(id, options, context));
}

async function retryTask(id: string, options: ServerOptions, context: Context): Promise<void> {
  const retried = await connect(options, context).post(`/api/v1/tasks/${inPath(id)}/retry`, {}, task);
  if (options.json) return printJson(context.terminal, retried);
  context.terminal.out(`task ${retried.id} is ${standing(retried)} again\n`);
}
