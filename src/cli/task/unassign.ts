import type { Command } from 'commander';
import { task } from '../../contract/task.ts';
import { inPath } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { taskCommand } from './words.ts';

export function addTaskUnassign(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'unassign', 'let anybody who can do it take a pending task again'))).action(
    (id: string, options: ServerOptions) => unassignTask(id, options, context),
  );
}

async function unassignTask(id: string, options: ServerOptions, context: Context): Promise<void> {
  const free = await connect(options, context).post(`/api/v1/tasks/${inPath(id)}/unassign`, {}, task);
  if (options.json) return printJson(context.terminal, free);
  context.terminal.out(`task ${free.id} names nobody any more (${free.execution_mode})\n`);
}
