import { type Command, Option } from 'commander';
import type { Task } from '../../contract/task.ts';
import { visible } from '../../domain/visible.ts';
import { CliError, EXIT } from '../errors.ts';
import type { Terminal } from '../terminal.ts';

type Style = Parameters<Terminal['style']>[0];

const STYLES: Record<Task['status'], Style> = {
  pending: 'yellow',
  assigned: 'cyan',
  running: 'cyan',
  completed: 'green',
  failed: 'red',
  cancelled: 'gray',
};

export const paintStatus = (terminal: Terminal, text: string, status: Task['status']): string =>
  terminal.style(STYLES[status], text);

/** How a task stands or ended, for a sentence. */
export function standing({ status, result, waiting_reason: waits }: Task): string {
  if (status === 'pending' && waits !== null) return `pending (${waits})`;
  if (result === null || result.outcome === 'completed' || result.outcome === 'cancelled') return status;
  if (result.exit_code !== null) return `${status} (exit code ${result.exit_code})`;
  return `${status} (${result.failure_class ?? result.outcome})`;
}

export const modeOption = (description: string): Option =>
  new Option('--mode <mode>', description).choices(['undecided', 'ssh_cli', 'http_pull']);

export const taskCommand = (parent: Command, name: string, description: string): Command =>
  parent.command(name).description(description).argument('<id>', 'id of the task');

/** Throws for a task that ended otherwise, and says how. */
export function checkCompleted(ended: Task): void {
  if (ended.status === 'completed') return;
  const error = ended.result?.error;
  throw new CliError(visible(`the task is ${standing(ended)}${error == null ? '' : `: ${error}`}`), EXIT.notCompleted);
}

/** Refuses what is asked, unless the task is still as it was read. */
export const versionHeader = (version: number): Record<string, string> => ({ 'if-match': `"${version}"` });
