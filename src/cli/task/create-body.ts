import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { pairs, priorityArgument, several, wholeNumber } from '../arguments.ts';
import type { Context, ServerOptions } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { modeOption } from './words.ts';

export type CreateOptions = ServerOptions & {
  from?: string;
  title?: string;
  template?: string;
  var?: Record<string, string>;
  require?: string[];
  mode?: string;
  agent?: string;
  priority?: number | string;
  timeout?: number;
  env?: Record<string, string>;
  inputFile?: string;
  repository?: string;
  dependsOn?: string[];
  onDependencyFailure?: string;
  requiresApproval?: boolean;
  concurrencyKey?: string;
  runAfter?: string;
  maxRetries?: number;
  idempotencyKey?: string;
  wait?: boolean;
};

/** What may be said of a new task. */
export const createOptions = (command: Command): Command =>
  command
    .option('--title <text>', 'what it is about')
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
    .option('--depends-on <id>', 'it waits until this task has completed (several)', several)
    .addOption(
      new Option('--on-dependency-failure <reaction>', 'what it does when one of those does not complete').choices([
        'cancel',
        'wait',
        'run',
      ]),
    )
    .option('--requires-approval', 'it waits until somebody approves it')
    .option('--concurrency-key <key>', 'of tasks with the same key one runs at a time')
    .option('--run-after <time>', 'not before this time, as 2027-01-31T09:00:00Z')
    .option('--max-retries <n>', 'try again so often when the command fails', wholeNumber(0, 100))
    .option('--from <path>', 'JSON with the fields of the API; what is said here stands over it; - is standard input');

type Body = Record<string, unknown>;

export async function bodyOf(words: readonly string[], options: CreateOptions, context: Context): Promise<Body> {
  if (options.from === '-' && options.inputFile === '-') {
    throw new CliError('--from and --input-file can not both be standard input', EXIT.usage);
  }
  const from = options.from === undefined ? {} : parse(options.from, await readText(options.from, context));
  const input = options.inputFile === undefined ? {} : inputOf(await readBytes(options.inputFile, context));
  if (options.inputFile !== undefined) for (const name of ['input', 'input_base64']) delete from[name];
  const said = Object.entries(saidBy(words, options)).filter(([, value]) => value !== undefined);
  return { ...from, ...input, ...Object.fromEntries(said) };
}

/** As text, which can be shown, wherever it is such. */
function inputOf(bytes: Uint8Array): Body {
  const text = Buffer.from(bytes).toString('utf8');
  const isText = !text.includes('\0') && Buffer.compare(Buffer.from(text), bytes) === 0;
  return isText ? { input: text } : { input_base64: Buffer.from(bytes).toString('base64') };
}

const saidBy = (words: readonly string[], options: CreateOptions): Body => ({
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
  depends_on: options.dependsOn,
  on_dependency_failure: options.onDependencyFailure,
  requires_approval: options.requiresApproval,
  concurrency_key: options.concurrencyKey,
  run_after: options.runAfter,
  max_retries: options.maxRetries,
});

function parse(path: string, text: string): Body {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${path} is not JSON: ${(error as Error).message}`, EXIT.usage, { cause: error });
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body;
  throw new CliError(`${path} must hold one JSON object`, EXIT.usage);
}

async function readText(path: string, context: Context): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readBytes(path, context));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CliError(`cannot read ${path}: it is not UTF-8 text`, EXIT.usage, { cause: error });
  }
}

async function readBytes(path: string, context: Context): Promise<Uint8Array> {
  try {
    return path === '-' ? await context.readInput() : await readFile(path);
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`, EXIT.usage, { cause: error });
  }
}
