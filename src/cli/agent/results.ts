import type { Command } from 'commander';
import { visible } from '../../domain/visible.ts';
import { ago } from '../ages.ts';
import { type Context, printJson, printsJson } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { type Column, table } from '../table.ts';
import { type AgentOptions, asksAgent } from './client.ts';

type Kept = ReturnType<typeof import('../../agent/kept-results.ts').readKeptResults>[number];
type Options = AgentOptions & { delete?: string[]; deleteAll?: boolean };

export function addAgentResults(agent: Command, context: Context): void {
  const description = 'results that the server did not take, since the attempt was not ours any more; kept for you';
  printsJson(asksAgent(agent.command('results').description(description)))
    .option('--delete <attempt...>', 'delete those of these attempts')
    .option('--delete-all', 'delete all of them')
    .action((options: Options) => results(options, context));
}

/** Works on what is stored, so that it can be done while no agent runs too. */
async function results(options: Options, { env, terminal }: Context): Promise<void> {
  if (options.delete !== undefined && options.deleteAll) {
    throw new CliError('--delete and --delete-all: one of them', EXIT.usage);
  }
  const { loadAgentConfig } = await import('../../agent/config.ts');
  const { readKeptResults } = await import('../../agent/kept-results.ts');
  const { stateDir } = await loadAgentConfig({ file: options.config, env });
  const kept = readKeptResults(stateDir);
  const asked = options.deleteAll ? kept.map(({ attemptId }) => attemptId) : options.delete;
  if (asked !== undefined) return deleteResults(stateDir, asked, options, terminal);
  if (options.json) return printJson(terminal, { items: kept.map(itemOf) });
  if (kept.length === 0) return terminal.err('no results are kept\n');
  terminal.out(table(COLUMNS, kept, terminal.width));
}

async function deleteResults(
  stateDir: string,
  asked: readonly string[],
  { json }: Options,
  terminal: Context['terminal'],
): Promise<void> {
  const { deleteKeptResults } = await import('../../agent/kept-results.ts');
  const deleted = deleteKeptResults(stateDir, asked);
  const missing = asked.filter((attemptId) => !deleted.includes(attemptId));
  if (json) printJson(terminal, { deleted });
  else terminal.out(`deleted: ${deleted.length} ${deleted.length === 1 ? 'result' : 'results'}\n`);
  if (missing.length > 0) throw new CliError(`no result is kept of ${visible(missing.join(', '))}`);
}

const COLUMNS: Column<Kept>[] = [
  { title: 'ATTEMPT', cell: (one) => one.attemptId },
  { title: 'TASK', cell: (one) => one.taskId },
  { title: 'ENDED', cell: (one) => `${ago(one.endedAt)} ago` },
  { title: 'OUTCOME', cell: ({ result }) => result.outcome },
  { title: 'CODE', cell: ({ result }) => String(result.exitCode ?? '-'), right: true },
  { title: 'ERROR', cell: ({ result }) => result.error ?? '' },
];

const itemOf = ({ attemptId, taskId, number, endedAt, result }: Kept) => ({
  attempt_id: attemptId,
  task_id: taskId,
  number,
  ended_at: endedAt,
  outcome: result.outcome,
  failure_class: result.failureClass,
  exit_code: result.exitCode,
  signal: result.signal,
  error: result.error,
  summary: result.summary,
  output: result.output,
  usage: result.usage,
});
