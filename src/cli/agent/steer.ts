import type { Command } from 'commander';
import { cleanup, localTask, queueStatus } from '../../contract/local-api.ts';
import { visible } from '../../domain/visible.ts';
import { inPath } from '../arguments.ts';
import { type Context, printJson, printsJson } from '../connect.ts';
import { type AgentOptions, asksAgent, connectToAgent } from './client.ts';

/** The commands that change what the agent of this machine does. */
export function addAgentSteering(agent: Command, context: Context): void {
  const command = (name: string, description: string) =>
    printsJson(asksAgent(agent.command(name).description(description)));
  command('stop', 'stop an attempt; it ends as failed, stopped on the machine')
    .argument('<attempt>', 'its id, as `taskejo agent status` shows it')
    .action((attempt: string, options: AgentOptions) => stop(attempt, options, context));
  command('drain', 'take nothing new, until undrain, also after a restart; what runs goes on').action(
    (options: AgentOptions) => drain('drain', options, context),
  );
  command('undrain', 'take new work again').action((options: AgentOptions) => drain('undrain', options, context));
  command('cleanup', 'remove what ended attempts left on the disk, instead of after a day')
    .option('--dry-run', 'only say what that would be')
    .action((options: AgentOptions & { dryRun?: boolean }) => cleanUp(options, context));
}

async function stop(attempt: string, options: AgentOptions, context: Context): Promise<void> {
  const client = await connectToAgent(options, context);
  const one = await client.post(`/api/v1/tasks/${inPath(attempt)}/stop`, localTask);
  if (options.json) return printJson(context.terminal, one);
  context.terminal.out(`attempt ${visible(one.attempt_id)} of task ${visible(one.task_id)} is stopped\n`);
}

async function drain(how: 'drain' | 'undrain', options: AgentOptions, context: Context): Promise<void> {
  const client = await connectToAgent(options, context);
  const queue = await client.post(`/api/v1/${how}`, queueStatus);
  if (options.json) return printJson(context.terminal, queue);
  const now = queue.draining ? 'takes nothing new' : 'takes new work';
  context.terminal.out(`the agent ${now}, ${queue.running} of ${queue.places} places taken\n`);
}

async function cleanUp(options: AgentOptions & { dryRun?: boolean }, context: Context): Promise<void> {
  const { terminal } = context;
  const client = await connectToAgent(options, context);
  const done = await client.post(`/api/v1/cleanup${options.dryRun ? '?dry_run=1' : ''}`, cleanup);
  if (options.json) return printJson(terminal, done);
  for (const { attempt_id, bytes } of done.items) terminal.out(`${visible(attempt_id)}  ${bytes} bytes\n`);
  const what = `${done.items.length} ended attempts, ${done.bytes} bytes`;
  terminal.out(done.dry_run ? `would be removed: ${what}\n` : `removed: ${what}\n`);
}
