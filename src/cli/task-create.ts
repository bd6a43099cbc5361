import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { type CreateTask, task } from '../contract/task.ts';
import { visible } from '../domain/visible.ts';
import { pairs, priorityArgument, several, wholeNumber } from './arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from './connect.ts';
import { CliError, EXIT } from './errors.ts';
import { waitForEnd } from './follow.ts';
import { modeOption, standing } from './task-words.ts';

type Options = ServerOptions & {
  title: string;
  template?: string;
  var?: Record<string, string>;
  require?: string[];
  mode?: CreateTask['execution_mode'];
  agent?: string;
  priority?: CreateTask['priority'];
  timeout?: number;
  env?: Record<string, string>;
  inputFile?: string;
  repository?: string;
  wait?: boolean;
};

export function addTaskCreate(parent: Command, context: Context): void {
  const command = parent.command('create').description('create a task from a command or a template; prints its id');
  printsJson(asksServer(command))
    .requiredOption('--title <text>', 'what it is about')
    .option('--template <name>', 'the configured recipe, in place of a command')
    .option('--var <name=value>', 'fill a variable of the template (several)', pairs)
    .option('--require <label>', 'what the machine must be able to do (several)', several)
    .addOption(modeOption('how it reaches its machine; undecided unless said'))
    .option('--agent <id>', 'only this agent or host may do it')
    .option('--priority <level>', '0–10, or low, medium, high, urgent', priorityArgument)
    .option('--timeout <seconds>', 'the command is ended after so long', wholeNumber(1, 604_800))
    .option('--env <name=value>', 'environment of the command (several)', pairs)
    .option('--input-file <path>', 'what the command reads on standard input; - is the standard input of this one')
    .option('--repository <forge:owner/name>', 'the repository that it belongs to')
    .option('--wait', 'wait for its end; exit code 3 unless it completed')
    .argument('[command...]', 'the command with its arguments, after --')
    .addHelpText('after', EXAMPLES)
    .action((words: string[], options: Options) => createTask(words, options, context));
}

const EXAMPLES = `
Examples:
  taskejo task create --title "Disk space" -- df -h
  taskejo task create --title Build --require gpu --timeout 3600 --wait -- make -C /srv/widgets
  git diff | taskejo task create --title Review --template review --input-file -`;

async function createTask(words: readonly string[], options: Options, context: Context): Promise<void> {
  if (words.length === 0 && options.template === undefined) {
    throw new CliError('give a command after --, or --template', EXIT.usage);
  }
  const { terminal } = context;
  const client = connect(options, context);
  const input = options.inputFile === undefined ? undefined : await readInput(options.inputFile, context);
  const created = await client.post('/api/v1/tasks', bodyOf(words, options, input), task);
  if (!options.json) terminal.out(`${created.id}\n`);
  const last = options.wait ? await waitForEnd(client, created.id) : created;
  if (options.json) printJson(terminal, last);
  if (!options.wait || last.status === 'completed') return;
  const error = last.result?.error;
  throw new CliError(visible(`the task is ${standing(last)}${error == null ? '' : `: ${error}`}`), EXIT.notCompleted);
}

const bodyOf = (words: readonly string[], options: Options, input: string | undefined) => ({
  title: options.title,
  command: words.length === 0 ? undefined : words,
  template: options.template,
  variables: options.var,
  requires: options.require,
  execution_mode: options.mode,
  agent_id: options.agent,
  priority: options.priority,
  timeout_seconds: options.timeout,
  environment: options.env,
  repository: options.repository,
  input,
});

async function readInput(path: string, context: Context): Promise<string> {
  try {
    const bytes = path === '-' ? await context.readInput() : await readFile(path);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    const why = error instanceof TypeError ? 'it is not UTF-8 text' : (error as Error).message;
    throw new CliError(`cannot take the input from ${path}: ${why}`, EXIT.usage, { cause: error });
  }
}
