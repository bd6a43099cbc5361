import type { Command } from 'commander';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { waitForEnd } from '../follow.ts';
import { checkCompleted, standing, taskCommand } from './words.ts';

export function addTaskWait(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'wait', 'wait until a task ends; exit code 3 unless it completed'))).action(
    (id: string, options: ServerOptions) => waitForTask(id, options, context),
  );
}

async function waitForTask(id: string, options: ServerOptions, context: Context): Promise<void> {
  const ended = await waitForEnd(connect(options, context), id);
  if (options.json) printJson(context.terminal, ended);
  checkCompleted(ended);
  if (!options.json) context.terminal.out(`task ${ended.id} is ${standing(ended)}\n`);
}
