import type { Command } from 'commander';
import { task } from '../../contract/task.ts';
import { inPath, priorityArgument, several, wholeNumber } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { standing, taskCommand, versionHeader } from './words.ts';

type Options = ServerOptions & {
  title?: string;
  priority?: number | string;
  require?: string[];
  anyMachine?: boolean;
  runAfter?: string;
  now?: boolean;
  taskVersion?: number;
};

export function addTaskPatch(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'patch', 'change a pending task')))
    .option('--title <text>', 'what it is about')
    .option('--priority <level>', '0–10, or low, medium, high, urgent', priorityArgument)
    .option('--require <label>', 'what the machine must be able to do, in place of what was asked (several)', several)
    .option('--any-machine', 'it requires nothing any more')
    .option('--run-after <time>', 'not before this time, as 2027-01-31T09:00:00Z')
    .option('--now', 'as soon as it can')
    .option('--task-version <n>', 'refuse, unless it is still as in this version', wholeNumber(1, 999_999_999))
    .action((id: string, options: Options) => patchTask(id, options, context));
}

async function patchTask(id: string, options: Options, context: Context): Promise<void> {
  const body = {
    title: options.title,
    priority: options.priority,
    requires: options.anyMachine ? [] : options.require,
    run_after: options.now ? null : options.runAfter,
  };
  if (Object.values(body).every((value) => value === undefined)) {
    throw new CliError('say what is to be changed', EXIT.usage);
  }
  const headers = options.taskVersion === undefined ? {} : versionHeader(options.taskVersion);
  const changed = await connect(options, context).patch(`/api/v1/tasks/${inPath(id)}`, body, task, headers);
  if (options.json) return printJson(context.terminal, changed);
  context.terminal.out(`task ${changed.id} is ${standing(changed)}, version ${changed.version}\n`);
}
