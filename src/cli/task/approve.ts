import type { Command } from 'commander';
import { task } from '../../contract/task.ts';
import { inPath, wholeNumber } from '../arguments.ts';
import type { Client } from '../client.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { standing, taskCommand, versionHeader } from './words.ts';

type Options = ServerOptions & { taskVersion?: number };

export function addTaskApprove(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'approve', 'let a task run that waits for approval')))
    .option('--task-version <n>', 'refuse, unless it is still as in this version', wholeNumber(1, 999_999_999))
    .action((id: string, options: Options) => approveTask(id, options, context));
}

async function approveTask(id: string, options: Options, context: Context): Promise<void> {
  const client = connect(options, context);
  const path = `/api/v1/tasks/${inPath(id)}`;
  const version = options.taskVersion ?? (await versionNow(client, path));
  const approved = await client.post(`${path}/approve`, {}, task, versionHeader(version));
  if (options.json) return printJson(context.terminal, approved);
  context.terminal.out(`task ${approved.id} is approved; it is ${standing(approved)}\n`);
}

const versionNow = async (client: Client, path: string): Promise<number> => (await client.get(path, task)).version;
