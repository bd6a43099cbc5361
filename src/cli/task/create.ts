import type { Command } from 'commander';
import { task } from '../../contract/task.ts';
import { ServerAwayError } from '../client.ts';
import { asksServer, type Context, connect, printJson, printsJson } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { waitForEnd } from '../follow.ts';
import { bodyOf, type CreateOptions, createOptions } from './create-body.ts';
import { checkCompleted } from './words.ts';

export function addTaskCreate(parent: Command, context: Context): void {
  const command = parent.command('create').description('create a task from a command or a template; prints its id');
  createOptions(printsJson(asksServer(command)))
    .option('--idempotency-key <key>', 'said again with the same key, it makes no second task')
    .option('--wait', 'wait for its end; exit code 3 unless it completed')
    .argument('[command...]', 'the command with its arguments, after --')
    .addHelpText('after', EXAMPLES)
    .action((words: string[], options: CreateOptions) => createTask(words, options, context));
}

const EXAMPLES = `
Examples:
  taskejo task create --title "Disk space" -- df -h
  taskejo task create --title Build --require gpu --timeout 3600 --wait -- make -C /srv/widgets
  git diff | taskejo task create --title Review --template review --input-file -
  taskejo task create --title Deploy --requires-approval --depends-on ID --concurrency-key deploy -- make deploy`;

async function createTask(words: readonly string[], options: CreateOptions, context: Context): Promise<void> {
  const body = await bodyOf(words, options, context);
  if (body.command === undefined && body.template === undefined) {
    throw new CliError('give a command after --, or --template', EXIT.usage);
  }
  if (body.title === undefined) throw new CliError('give a --title', EXIT.usage);
  const { terminal } = context;
  const client = connect(options, context);
  const headers = { 'idempotency-key': options.idempotencyKey ?? crypto.randomUUID() };
  const ask = () => client.post('/api/v1/tasks', body, task, headers);
  const created = await ask().catch((error: unknown) => {
    // The task may be there though its answer was lost; the same key makes no second one.
    if (error instanceof ServerAwayError) return ask();
    throw error;
  });
  if (!options.json) terminal.out(`${created.id}\n`);
  const last = options.wait ? await waitForEnd(client, created.id) : created;
  if (options.json) printJson(terminal, last);
  if (options.wait) checkCompleted(last);
}
