import type { Command } from 'commander';
import { ago } from '../ages.ts';
import { type Context, printJson, printsJson } from '../connect.ts';
import { type Column, table } from '../table.ts';
import { type AgentOptions, asksAgent } from './client.ts';

type Kept = ReturnType<typeof import('../../agent/store.ts').readKeptResults>[number];

export function addAgentResults(agent: Command, context: Context): void {
  const description = 'results that the server did not take, since the attempt was not ours any more; kept for you';
  printsJson(asksAgent(agent.command('results').description(description))).action((options: AgentOptions) =>
    showResults(options, context),
  );
}

/** Reads what is stored, so that it is had while no agent runs too. */
async function showResults({ config: file, json }: AgentOptions, { env, terminal }: Context): Promise<void> {
  const { loadAgentConfig } = await import('../../agent/config.ts');
  const { readKeptResults } = await import('../../agent/store.ts');
  const { stateDir } = await loadAgentConfig({ file, env });
  const kept = readKeptResults(stateDir);
  if (json) return printJson(terminal, { items: kept.map(itemOf) });
  if (kept.length === 0) return terminal.err('no results are kept\n');
  terminal.out(table(COLUMNS, kept, terminal.width));
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
